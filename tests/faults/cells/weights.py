"""A model whose files are cut, changed or gone: a copy of the built-in one, broken."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.cells.phases import at
from tests.faults.driver import ROOT, Cell, Run

_SHIPPED = ROOT / "presets"
_MODEL = ("--model", "broken.yaml")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[:64] = bytes(reversed(data[:64]))
    path.write_bytes(data)


def _spoil(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 2))  # what is nan as a number


def _break(how: Callable[[Path], object], file: str, run: Run) -> None:
    shutil.copytree(_SHIPPED / "demo-image", run.folder / "model")
    text = (_SHIPPED / "demo-image.yaml").read_text()
    text = text.replace("name: demo-image", "name: broken", 1)
    (run.folder / "broken.yaml").write_text(text.replace("path: demo-image", "path: model", 1))
    for path in (run.folder / "model").glob(file):
        how(path)


_HOWS = {"is cut": _cut, "is damaged": _change, "is missing": Path.unlink}
_SAYS = {
    "is cut": r"has \d+ bytes instead of \d+$|is damaged: it is no JSON$",
    "is damaged": "has no header$|is damaged: it is no JSON$",
    "is missing": "is not complete: component {} has no ",
}
_FILES = {
    "the transformer's weight file": "transformer/diffusion_pytorch_model.safetensors",
    "the decoder's weight file": "vae/diffusion_pytorch_model.safetensors",
    "an encoder's weight file": "text_encoder/model.safetensors",
    "the scheduler's file": "scheduler/scheduler_config.json",
}

CELLS: list[Cell] = [
    Cell(
        phase="before loading",
        what=f"{what} {how}",
        prepare=partial(_break, _HOWS[how], file),
        args=_MODEL,
        code=2,
        says=_SAYS[how].format(file.partition("/")[0]),
        hint="copy",
        kept=0,
        quick=(how, what) == ("is cut", "the transformer's weight file"),
    )
    for what, file in _FILES.items()
    for how in _HOWS
]
CELLS += [
    Cell(
        phase="loading",
        what=f"{what} is cut only now",
        prepare=partial(_break, str, file),
        fault=at("loading", "cut", core),
        env={"FAULT_FILE": f"model/{file}"},
        args=_MODEL,
        says=r"^core \d on cpu: .* could not be loaded from .*model: ",
        kept=0,
    )
    for (what, file), core in zip(_FILES.items(), (1, 3, 0, 2), strict=True)
]
CELLS += [
    Cell(
        phase="first step",
        what="half of the transformer's weights are nan",
        prepare=partial(_break, _spoil, _FILES["the transformer's weight file"]),
        args=_MODEL,
        says=r"^core \d on cpu: (the latent after step \d+|output \d) is not finite",
        hint="its weights may be damaged",
        kept=0,
    )
]
