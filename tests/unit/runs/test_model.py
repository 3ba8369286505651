import pytest

SAVED = "point the preset's path at a folder that `save_pretrained` wrote"


@pytest.mark.parametrize("path", [".", "nope"])
def test_a_path_without_a_model_is_refused(refused, preset_file, path):
    preset_file.write_text(preset_file.read_text().replace("path: weights", f"path: {path}"))
    folder = (preset_file.parent / path).resolve()
    assert refused() == (f"{folder} holds no model: there is no model_index.json", SAVED)
