"""`chords presets`: the list, one in full, and files of one's own."""

import re
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def mine(chords, tmp_path) -> Path:
    """A preset in the user's own folder."""
    folder = tmp_path / "config" / "chords" / "presets"
    folder.mkdir(parents=True)
    file = folder / "mine.yaml"
    file.write_text(chords("presets", "demo-image").out.replace("demo-image", "mine", 2))
    return file


def listed(out: str) -> dict[str, list[str]]:
    """The names in the list by what their models do."""
    groups: dict[str, list[str]] = {}
    for line in out.split("\nalso ")[0].splitlines()[2:]:
        words = line.rstrip().split("  ")
        if len(words) == 1 and words[0]:
            names = groups[words[0]] = []
        elif words[0]:
            names.append(words[0].split(" ")[0])
    return groups


@pytest.mark.parametrize(("columns", "further"), [(80, 0), (120, 1), (160, 2)])
def test_list_has_every_preset_below_what_its_model_does(chords, monkeypatch, columns, further):
    monkeypatch.setenv("COLUMNS", str(columns))
    answer = chords("presets")
    assert (answer.code, answer.err) == (0, "")
    assert max(map(len, answer.out.splitlines())) <= columns
    head = re.split(r" {2,}", answer.out.splitlines()[0].rstrip())
    columns_of_all = ["name", "starts from", "steps", "8 devices", "weights", "licence", "model"]
    assert head == columns_of_all[: 5 + further]
    rows = [row for row in chords("presets", "--json").document if row["origin"] == "shipped"]
    groups = listed(answer.out)
    assert {name for names in groups.values() for name in names} == {row["name"] for row in rows}
    for row in rows:
        assert row["name"] in groups[row["tasks"][0]]


def test_models_that_need_files_are_below_what_they_do_with_these(chords):
    out = chords("presets").out
    groups = listed(out)
    assert groups["editing"] == ["flux-kontext", "qwen-image-edit"]
    assert groups["inpainting"] == ["flux-fill"]
    assert groups["control"] == ["flux-canny", "flux-depth", "sdxl-canny", "sdxl-ip-adapter"]
    assert groups["video to video"] == ["wan2-1-vace", "wan2-1-vace-1.3b"]
    assert {"wan2-1-flf2v", "wan2-2-i2v", "hunyuan-i2v"} < {*groups["image to video"]}
    for name, starts in {
        "flux-fill": "image + mask",
        "sdxl-canny": "control",
        "sdxl-ip-adapter": "image",
        "wan2-1-flf2v": "image + last-image",
        "wan2-1-i2v-720p": "image",
    }.items():
        assert re.search(rf"^{name} +{re.escape(starts)}  ", out, re.MULTILINE)


def test_list_says_which_models_do_more_with_a_file(chords, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    also = chords("presets").out.split("\nalso ")[1]
    line = next(line for line in also.splitlines() if line.startswith("inpainting "))
    assert re.match(r"inpainting +--image --mask +.*\bflux\b.*\bsdxl\b", line)


def test_list_says_what_each_model_starts_from_and_whether_cores_help(chords):
    rows = {row["name"]: row for row in chords("presets", "--json").document}
    line = {
        name: next(line for line in chords("presets").out.splitlines() if line.startswith(name))
        for name in ("flux ", "z-image-turbo", "flux2-klein-4b")
    }
    assert "  text; image, mask  " in line["flux "]
    assert "  text; image  " in line["z-image-turbo"]
    assert "  text; images  " in line["flux2-klein-4b"]
    for name, helps in {"flux ": True, "z-image-turbo": False, "flux2-klein-4b": False}.items():
        assert rows[name.strip()]["cores_help"] is helps
        assert ("no sooner" in line[name]) is not helps
    assert rows["flux"]["starts"] == [
        {
            "role": role,
            "required": False,
            "several": False,
            "pipeline": f"Flux{pipeline}Pipeline",
        }
        for role, pipeline in (("image", "Img2Img"), ("mask", "Inpaint"))
    ]


def test_the_layout_of_the_list_is_what_a_run_on_eight_devices_takes_over_slow_links(chords):
    row = next(row for row in chords("presets", "--json").document if row["name"] == "wan2-1")
    layouts = chords("plan", "--model", "wan2-1", "--devices", "8", "--json").document["layouts"]
    assert row["layout"] == next(layout for layout in layouts if layout["context"] == 1)


def test_list_has_the_users_own_presets(chords, mine):
    rows = {row["name"]: row for row in chords("presets", "--json").document}
    assert rows["mine"]["origin"] == "user"
    assert rows["mine"]["file"] == str(mine)
    assert "mine (yours)" in chords("presets").out


def test_list_goes_on_past_a_broken_preset(chords, mine):
    mine.write_text("name: 7")
    rows = {row["name"]: row for row in chords("presets", "--json").document}
    assert rows["mine"]["error"].startswith(f"{mine}: name is 7, but must be text")
    assert "plan" in rows["demo-image"]
    answer = chords("presets")
    assert answer.code == 0
    assert f"error: {mine}: name is 7" in answer.err
    assert "demo-image " in answer.out


def test_document_has_plan_licence_and_weights(chords):
    rows = {row["name"]: row for row in chords("presets", "--json").document}
    demo = rows["demo-image"]
    assert demo["plan"] == {
        "algo": "wavefront",
        "cores": 4,
        "steps": 50,
        "init_t": None,
        "rounds": 13,
        "speedup": 50 / 13,
    }
    assert demo["license"] == {"name": "MIT", "gated": False, "url": None}
    assert set(demo["weights"]) == {"state", "folder", "bytes"}


def test_weights_of_a_folder_are_counted(chords, mine):
    weights = mine.parent / "weights"
    (weights / "vae").mkdir(parents=True)
    (weights / "model_index.json").write_text('{"_class_name": "FluxPipeline", "vae": ["a", "b"]}')
    (weights / "vae" / "config.json").write_text("{}")
    (weights / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"x" * 1500)
    (weights / "vae" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"not opened")
    mine.write_text(yaml.safe_dump({**yaml.safe_load(mine.read_text()), "path": "weights"}))
    found = chords("presets", "mine", "--json").document["weights"]
    size = 1502 + (weights / "model_index.json").stat().st_size
    assert found == {"state": "complete", "folder": str(weights), "bytes": size}
    assert f"# weights: downloaded, 1.6 kB in {weights}" in chords("presets", "mine").out


def test_weights_are_incomplete_when_a_component_has_no_folder(chords, mine):
    (mine.parent / "model_index.json").write_text('{"vae": ["a", "b"], "encoder": [null, null]}')
    mine.write_text(yaml.safe_dump({**yaml.safe_load(mine.read_text()), "path": "."}))
    assert chords("presets", "mine", "--json").document["weights"]["state"] == "partial"


def test_weights_of_a_repository_that_is_not_cached_are_absent(chords, mine, monkeypatch):
    settings = yaml.safe_load(mine.read_text())
    mine.write_text(yaml.safe_dump({**settings, "path": None, "repo": "nobody/nothing"}))
    found = chords("presets", "mine", "--json").document["weights"]
    assert found == {"state": "absent", "folder": None, "bytes": 0}


def test_preset_in_full_loads_again(chords, tmp_path):
    file = tmp_path / "copy.yaml"
    file.write_text(chords("presets", "demo-image").out)
    first, again = (
        chords("presets", name, "--json").document for name in ("demo-image", str(file))
    )
    assert again == first


def test_preset_in_full_has_a_line_for_every_key_and_none_is_cut(chords, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines = chords("presets", "demo-image").out.splitlines()
    assert lines[1] == "# plan: wavefront, 13 rounds instead of 50, ideally 3.85x sooner"
    assert lines[3] == "# 8 devices: 4 cores x 2, 7.1x"
    assert "- a red circle left of a blue square on a yellow background" in lines


def test_unknown_preset_is_met_with_the_nearest_names(chords):
    answer = chords("presets", "demo-imag")
    assert answer.code == 2
    assert answer.err == (
        "error: unknown model 'demo-imag'\n"
        "hint: did you mean demo-image? `chords presets` lists all; a file name ends in .yaml\n"
    )


def test_wrong_preset_file_is_exit_2_with_file_key_value_and_what_is_allowed(chords, mine):
    mine.write_text(mine.read_text().replace("cores: 4", "cores: many"))
    answer = chords("plan", "--model", str(mine))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"error: {mine}: sampling.cores is 'many', but must be a whole number\n"
        "hint: write sampling.cores: 4\n"
    )


def test_a_preset_tells_the_memory_of_every_kind_of_core(chords):
    lines = chords("presets", "flux").out.splitlines()
    assert [line for line in lines if line.startswith("# memory: ")] == [
        "# memory: core 0 33.6 GB of weights "
        "(transformer 23.8 GB, text_encoder 240.0 MB, text_encoder_2 9.5 GB)",
        "# memory: cores 1 to 6, each 23.8 GB of weights (transformer 23.8 GB)",
        "# memory: core 7 24.0 GB of weights (transformer 23.8 GB, vae 160.0 MB)",
    ]
    assert len(chords("presets", "flux", "--json").document["memory"]) == 8


def test_every_shipped_preset_has_layouts_on_eight_devices(chords):
    rows = [row for row in chords("presets", "--json").document if row["origin"] == "shipped"]
    assert len(rows) > 20
    for row in rows:
        listed = chords("plan", "--model", row["name"], "--devices", "8", "--json").document
        assert listed["devices"] == 8, row["name"]
        assert listed["layouts"], row["name"]
