import pytest

from chords_cli.errors import UsageError
from chords_cli.models.weights import download_command
from chords_cli.presets.files import find_preset, load_preset
from chords_cli.runs.download.targets import find_targets


@pytest.fixture
def mine(preset_file, tmp_path, monkeypatch):
    """A preset file outside of the user's folder that bears the name of a shipped one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    text = preset_file.read_text().replace("name: toy", "name: flux")
    preset_file.write_text(text.replace("path: weights", "repo: me/mine\nrevision: v2"))
    return preset_file


def test_a_name_that_leads_to_the_model_is_what_to_type():
    assert download_command(find_preset("flux")) == "chords download flux"


def test_a_file_that_bears_another_presets_name_is_fetched_by_its_repository(mine):
    assert download_command(load_preset(mine)) == "chords download me/mine --revision v2"


def test_a_users_own_preset_hides_the_shipped_one_of_its_name(mine, tmp_path):
    folder = tmp_path / "config" / "chords" / "presets"
    folder.mkdir(parents=True)
    mine.rename(folder / "flux.yaml")
    assert find_preset("flux").repo == "me/mine"
    assert download_command(find_preset("flux")) == "chords download flux"


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("../mine", "write owner/name, as in black-forest-labs/FLUX.1-schnell"),
        ("me/mi..ne", "write owner/name, as in black-forest-labs/FLUX.1-schnell"),
        ("me/" + "x" * 300, "write owner/name, as in black-forest-labs/FLUX.1-schnell"),
        ("me/mine@v2", "try `chords download me/mine --revision v2`"),
        ("https://huggingface.co/me/mine", "try `chords download me/mine`"),
        ("https://huggingface.co/me/mine/tree/main", "try `chords download me/mine`"),
    ],
)
def test_what_is_no_name_of_a_repository_is_refused(model, hint):
    with pytest.raises(UsageError) as caught:
        find_targets([model])
    assert (caught.value.message, caught.value.hint) == (
        f"{model} is not the name of a repository",
        hint,
    )


def test_a_repository_needs_no_preset():
    (target,) = find_targets(["me/mine"], "v2")
    assert (target.repo, target.revision) == ("me/mine", "v2")
