"""Whatever a repository of a model holds, none of it is run, and weights are safetensors."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chords_cli.errors import ChordsError
from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec

CPU = torch.device("cpu")
WEIGHTS = "diffusion_pytorch_model"


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that is there once anything of a repository has been run."""
    return tmp_path / "was-run"


@pytest.fixture
def model(home: dict[str, str], tmp_path: Path) -> Path:
    """A model that may be changed."""
    shutil.copytree(Path(home["HOME"]) / "model", tmp_path / "model")
    return tmp_path / "model"


class Trap:
    """An object that makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def code(mark: Path) -> str:
    return f"import pathlib; pathlib.Path({str(mark)!r}).touch()\nclass Mine: pass\n"


def component_with_code(model: Path, mark: Path) -> None:
    (model / "vae/mine.py").write_text(code(mark))
    change(model / "model_index.json", vae=["mine", "Mine"])


def pipeline_with_code(model: Path, mark: Path) -> None:
    (model / "mine.py").write_text(code(mark))
    (model / "pipeline.py").write_text(code(mark))
    change(model / "model_index.json", _class_name=["mine", "Mine"], custom_pipeline="pipeline")


def library_that_runs_when_imported(model: Path, mark: Path) -> None:
    change(model / "model_index.json", vae=["antigravity", "Mine"])


def library_of_python(model: Path, mark: Path) -> None:
    change(model / "model_index.json", vae=["os", "system"])


def automatic_classes(model: Path, mark: Path) -> None:
    (model / "text_encoder/mine.py").write_text(code(mark))
    (model / "tokenizer/mine.py").write_text(code(mark))
    entry = {"AutoModel": "mine.Mine", "AutoConfig": "mine.Mine", "AutoTokenizer": "mine.Mine"}
    change(model / "text_encoder/config.json", auto_map=entry)
    change(model / "tokenizer/tokenizer_config.json", auto_map=entry)
    change(
        model / "model_index.json",
        text_encoder=["transformers", "AutoModel"],
        tokenizer=["transformers", "AutoTokenizer"],
    )


def pickled(folder: Path, mark: Path, ending: str) -> None:
    for file in folder.glob("*.safetensors"):
        file.unlink()
    (folder / f"{WEIGHTS}.{ending}").write_bytes(pickle.dumps({"a": Trap(mark)}))


def pickled_weights(model: Path, mark: Path) -> None:
    pickled(model / "transformer", mark, "bin")


def pickle_called_safetensors(model: Path, mark: Path) -> None:
    pickled(model / "transformer", mark, "safetensors")


SPOILT = (
    component_with_code,
    pipeline_with_code,
    library_that_runs_when_imported,
    library_of_python,
    automatic_classes,
    pickled_weights,
    pickle_called_safetensors,
)


def load(model: Path, **more: Any) -> Any:
    spec = ModelSpec(folder=str(model), pipeline="FluxPipeline", dtype="float32", **more)
    return load_pipeline(spec, device=CPU, encodes=True, decodes=False)


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_core_runs_nothing_of_a_repository(
    spoil: Callable[[Path, Path], None], model: Path, mark: Path
):
    assert load(model)
    spoil(model, mark)
    with pytest.raises(ChordsError):
        load(model)
    assert not mark.exists()


@pytest.mark.parametrize("ending", ["bin", "pt", "ckpt"])
def test_weights_that_are_pickled_are_refused_with_a_hint(ending, model, mark, command, tmp_path):
    pickled(model / "transformer", mark, ending)
    preset = (Path(__file__).parents[1] / "cli/test_before_loading.py").read_text()
    text = preset.partition('PRESET = """')[2].partition('"""')[0]
    (tmp_path / "mine.yaml").write_text(text)
    line = ["image", "--model", "mine.yaml", "--devices", "cpu", "--dry-run"]
    done = command(*line, cwd=tmp_path, code=2)
    assert "has no diffusion_pytorch_model.safetensors: other formats are not loaded" in done.err
    assert "`save_pretrained`" in done.err
    assert not mark.exists()


@pytest.mark.parametrize("name", ["ink.bin", "ink.pt", "ink.ckpt", "ink.safetensors"])
def test_a_lora_that_is_pickled_is_refused(name, model, mark, tmp_path, command):
    (tmp_path / name).write_bytes(pickle.dumps({"a": Trap(mark)}))
    line = ["image", "x", "--model", "tiny", "--devices", "cpu", "--dry-run", "--lora", name]
    done = command(*line, cwd=tmp_path, code=2)
    assert "safetensors" in done.err
    with pytest.raises(ChordsError):
        load(model, loras=((str(tmp_path / "ink.safetensors"), 1.0),))
    assert not mark.exists()


def test_an_adapter_that_is_pickled_is_refused(model, mark, tmp_path):
    file = tmp_path / "adapter.safetensors"
    file.write_bytes(pickle.dumps({"a": Trap(mark)}))
    with pytest.raises(ChordsError, match=r"^adapter \S+adapter.safetensors could not be loaded"):
        load(model, adapters=((str(file), 1.0),))
    assert not mark.exists()


def test_the_trap_works(mark):
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists()
