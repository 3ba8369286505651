"""What became of a run, and what of it is not as its cell expects."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.faults.cell import Cell


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of a run.

    Attributes:
        code: Its exit code; None where it did not end.
        seconds: From the fault to the end of the command; None where no fault was noted.
        error: The last line that begins with `error: `, without that; the same of `hint`.
        said: All of standard error.
        orphans: Processes that were there a moment after its end.
        left: Temporary and partial files.
        kept: The complete pictures with the bits of an undisturbed run.
        wrong: Whatever is in the output folder and should not be.
        resumed: How `--resume` ended: its exit code and the pictures with the right bits.
    """

    code: int | None
    seconds: float | None
    error: str
    hint: str
    said: str
    orphans: tuple[str, ...]
    left: tuple[str, ...]
    kept: int
    wrong: tuple[str, ...]
    resumed: tuple[int, int] | None = None


def pixels_of(path: Path) -> str:
    """The bits of a picture, apart from its metadata."""
    with Image.open(path) as image:
        return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def look(out: Path, pixels: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    wrong, kept = list[str](), 0
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    for name in names:
        if name.endswith(".png"):
            try:
                same = pixels_of(out / name) == pixels.get(name)
            except OSError as error:
                same = False
                wrong.append(f"{name}: {error}")
            kept += same
            wrong += [] if same else [f"{name}: other bits"]
        elif not re.fullmatch(r"run\.jsonl?|.*\.safetensors|\..*", name):
            wrong.append(name)
    if "run.json" in names:
        told = json.loads((out / "run.json").read_text())["prompts"]
        wrong += [f"run.json tells of {x['output']}" for x in told if x["output"] not in names]
    return kept, tuple(wrong)


def doubts(cell: Cell, found: Found) -> list[str]:
    """Returns what is not as it should be."""
    texts = ((cell.says, found.error), (cell.hint, found.hint), (cell.tells, found.said))
    return [
        *(["it did not end"] if found.code is None else []),
        *([f"code {found.code}"] if found.code not in (None, cell.code) else []),
        *(
            f"{text!r} does not say {wanted!r}"
            for wanted, text in texts
            if not re.search(wanted, text)
        ),
        *(f"{who!r} was left" for who in found.orphans),
        *(f"{name} was left" for name in found.left if not name.startswith(cell.remains)),
        *(["a traceback"] if "Traceback" in found.said else []),
        *(["this is a bug"] if "this is a bug" in found.said else []),
        *found.wrong,
        *(
            [f"{found.kept} pictures, not {cell.kept}"]
            if cell.kept is not None and found.kept != cell.kept
            else []
        ),
        *(
            [f"--resume: {found.resumed}"]
            if found.resumed is not None and found.resumed != (0, cell.num)
            else []
        ),
    ]
