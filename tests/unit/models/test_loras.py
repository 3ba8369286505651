import pytest
import torch
from safetensors.torch import save_file

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.models import loras
from chords_cli.models.loras import check_loras, lora_file, lora_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def refusal(*pairs):
    with pytest.raises(UsageError) as caught:
        check_loras(pairs)
    return caught.value.spelled(as_option)


def write(path):
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def test_a_lora_is_found_by_file_and_by_the_folder_that_holds_it(folder):
    file = write(folder / "style" / "ink.safetensors")
    assert lora_file("style/ink.safetensors") == file
    assert lora_file("style") == file


def test_in_a_folder_of_several_the_file_that_diffusers_writes_is_it(folder):
    write(folder / "style" / "ink.safetensors")
    file = write(folder / "style" / "pytorch_lora_weights.safetensors")
    assert lora_file("style") == file


def test_a_fetched_repository_is_a_folder(folder, monkeypatch):
    file = write(folder / "snapshot" / "ink.safetensors")
    monkeypatch.setattr(loras, "adapter_folder", lambda repo: file.parent)
    assert lora_file("someone/ink") == file


def test_a_link_keeps_its_name_because_what_it_leads_to_may_have_no_suffix(folder):
    blob = write(folder / "blobs" / "20a160d0")
    link = folder / "snapshot" / "ink.safetensors"
    link.parent.mkdir()
    link.symlink_to(blob)
    assert lora_file("snapshot") == link
    assert lora_file("snapshot/ink.safetensors") == link


def test_several_files_are_refused_by_their_names(folder):
    write(folder / "style" / "a.safetensors")
    write(folder / "style" / "b.safetensors")
    assert refusal(("style", 1.0)) == (
        "LoRA style holds 2 safetensors files: a.safetensors, b.safetensors",
        "name one of them: --lora style/a.safetensors",
    )


@pytest.mark.parametrize(
    ("source", "scale", "message", "hint"),
    [
        (
            "ink.safetensors",
            1.0,
            "LoRA ink.safetensors does not exist",
            "name a .safetensors file, a folder or a repository",
        ),
        (
            "../ink",
            1.0,
            "LoRA ../ink does not exist",
            "name a .safetensors file, a folder or a repository",
        ),
        (
            "",
            1.0,
            "LoRA '' does not exist",
            "name a .safetensors file, a folder or a repository",
        ),
        (
            "x" * 300,
            1.0,
            f"LoRA {'x' * 300} does not exist",
            "name a .safetensors file, a folder or a repository",
        ),
        (
            "style/ink.safetensors",
            1.0,
            "LoRA style/ink.safetensors does not exist",
            "name a .safetensors file, a folder or a repository",
        ),
        (
            "nobody/nothing",
            1.0,
            "LoRA nobody/nothing is not on this machine",
            "fetch it first: hf download nobody/nothing",
        ),
        (
            "ink.bin",
            1.0,
            "LoRA ink.bin is not a safetensors file",
            "name a file that ends in .safetensors",
        ),
        ("empty", 1.0, "LoRA empty holds no safetensors file", "name a .safetensors file of it"),
        (
            "good.safetensors",
            float("nan"),
            "the scale of LoRA good.safetensors is nan, but must be a finite number",
            "try --lora good.safetensors=1.0",
        ),
    ],
)
def test_what_is_no_lora_is_refused_before_anything_starts(folder, source, scale, message, hint):
    write(folder / "ink.bin")
    write(folder / "good.safetensors")
    (folder / "empty").mkdir()
    assert refusal((source, scale)) == (message, hint)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 18\n"
"""What stands in place of a file that git-lfs has not fetched."""


@pytest.mark.parametrize(
    ("data", "reason", "hint"),
    [
        (b"", "is empty", "fetch it again, or save it as safetensors"),
        (POINTER, "has no safetensors header", "fetch it again, or save it as safetensors"),
        (
            (64).to_bytes(8, "little") + b'{"a": ',
            "has no safetensors header",
            "fetch it again, or save it as safetensors",
        ),
        ((2).to_bytes(8, "little") + b"{}", "holds no tensors", "name one that was trained"),
    ],
)
def test_a_lora_that_no_model_could_load_is_refused(folder, data, reason, hint):
    (folder / "ink.safetensors").write_bytes(data)
    assert refusal(("ink.safetensors", 1.0)) == (f"LoRA ink.safetensors {reason}", hint)


def test_a_lora_that_holds_tensors_is_accepted(lora):
    assert check_loras([(lora, 0.5)]) == ((lora, 0.5),)


def test_without_peft_a_lora_is_refused_with_how_to_install_it(folder, monkeypatch):
    monkeypatch.setattr(loras.importlib.util, "find_spec", lambda name: None)
    assert refusal(("ink.safetensors", 1.0)) == (
        "--lora needs peft, which is not installed",
        'pip install "chords-cli[lora]"',
    )
    assert check_loras(()) == ()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("high_noise_model", "transformer"),
        ("Wan2.2-Lightning_T2V-A14B-4steps-lora_LOW_fp16", "transformer_2"),
        ("wan22-lownoise-ink", "transformer_2"),
        ("style_high", "transformer"),
        ("highlands", None),
        ("slow_motion", None),
        ("high_and_low", None),
    ],
)
def test_names_of_files_tell_the_transformer_of_a_model_with_two(folder, name, part):
    file = folder / f"{name}.safetensors"
    save_file({"blocks.0.lora_A.weight": torch.zeros(1)}, file)
    both = {"transformer", "transformer_2"}
    if part is None:
        with pytest.raises(UsageError, match="does not tell which of the model's two"):
            lora_files(file.name, both)
    else:
        assert lora_files(file.name, both) == (f"{file}@{part}",)
    assert lora_files(file.name, {"transformer"}) == lora_files(file.name) == (str(file),)


def test_a_part_that_the_file_does_not_name_is_refused(folder):
    save_file({"transformer_2.a.lora_A.weight": torch.zeros(1)}, folder / "a.safetensors")
    with pytest.raises(UsageError) as caught:
        lora_files("a.safetensors@transformer", {"transformer", "transformer_2"})
    assert caught.value.message == (
        "LoRA a.safetensors holds nothing for transformer, only for transformer_2"
    )
