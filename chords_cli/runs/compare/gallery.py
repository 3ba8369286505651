"""Writes the results of a comparison, and keeps their frames for as long as they are compared."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chords_cli.errors import ChordsError, verbatim
from chords_cli.media.files import write_file
from chords_cli.media.images import png_bytes
from chords_cli.media.sheets import Cell, Row, difference_map, film_frames, gain_for, sheet
from chords_cli.runs.compare.comparison import Comparison
from chords_cli.runs.compare.resolving import Arm
from chords_cli.runs.outputs.files import endings, file_bytes, video_bytes
from chords_cli.runs.outputs.recipe import make_recipe, which_output
from chords_cli.runs.settings.samples import PlannedSample

if TYPE_CHECKING:
    from chords_cli.engine.pool import SampledOutput

SHOWN = 6
"""How many samples sheet and page show; the record and the folder have all of them."""


def difference_name(arm: str, sample: int) -> str:
    """Returns the name by which the page asks for an arm's difference map."""
    return f"difference {sample} {arm}"


def input_name(number: int) -> str:
    """Returns the name by which the page asks for a file that all arms start from, from 1."""
    return f"input {number}"


class Gallery:
    """Writes every result as it arrives; frames wait in the folder `spool`: videos are large."""

    def __init__(self, comparison: Comparison, spool: Path) -> None:
        self._comparison, self._spool = comparison, spool
        self._replace = comparison.request.base.overwrite
        self._shape: tuple[int, ...] = ()

    def keep(self, arm: Arm, sample: PlannedSample, output: "SampledOutput") -> None:
        """Writes the files of a result."""
        assert output.frames is not None, "only decoded outputs are kept"
        self._check_shape(arm, output.frames.shape)
        try:
            np.save(self._path(arm, sample), output.frames)
        except OSError as error:
            raise ChordsError(
                f"cannot keep frames in {self._spool}: {error.strerror or error}",
                "set TMPDIR to a folder on a larger disk",
            ) from error
        recipe = make_recipe(
            arm.settings, sample, which_output(output), arm_set=arm.spec.preset_keys
        )
        for ending in reversed(endings(arm.settings)):
            self.write(arm.file(sample, ending), file_bytes(ending, output, arm.settings, recipe))

    def write(self, name: str, data: bytes) -> None:
        """Writes a file of the comparison, complete or not at all."""
        write_file(self._comparison.output / name, data, replace=self._replace)

    def frames(self, arm: Arm, sample: PlannedSample) -> np.ndarray:
        """Returns a result's frames (uint8, [frames, height, width, 3]), read when needed."""
        return np.load(self._path(arm, sample), mmap_mode="r")

    def sheet(self, captions: Sequence[Sequence[tuple[str, ...]]], title: str) -> bytes:
        """Draws a PNG with all arms side by side; videos are shown by their middle frame.

        Args:
            captions: Per shown sample and per arm, the lines below its picture.
            title: The heading of the sheet.
        """
        rows = [
            self._make_row(sample, lines)
            for sample, lines in zip(self._shown_samples(), captions, strict=True)
        ]
        return png_bytes(sheet(title, rows), {})

    def film(self, captions: Sequence[tuple[str, ...]], title: str) -> bytes:
        """Draws an MP4 with all arms' results for the first sample side by side."""
        row = self._make_row(self._comparison.samples[0], captions)
        return video_bytes(film_frames(title, row), self._comparison.reference.settings, {})

    def differences(self, sample: PlannedSample) -> tuple[int, dict[int, np.ndarray]]:
        """Returns how much a sample's difference maps are amplified, and the maps by arm number."""
        frames = {arm.number: self.frames(arm, sample) for arm in self._comparison.arms}
        pictures = {number: video[len(video) // 2] for number, video in frames.items()}
        reference = pictures.pop(self._comparison.reference.number)
        gain = gain_for(list(pictures.values()), reference)
        return gain, {
            number: difference_map(picture, reference, gain) for number, picture in pictures.items()
        }

    def assets(self) -> dict[str, bytes]:
        """Returns what the page shows: results, difference maps, and what arms start from."""
        shown = {
            input_name(number): png_bytes(cell.frames[0], {})
            for number, cell in enumerate(self._inputs, 1)
        }
        for sample in self._shown_samples():
            _, maps = self.differences(sample)
            for arm in self._comparison.arms:
                shown_endings = {"png", "mp4"} & set(endings(arm.settings))
                names = [arm.file(sample, ending) for ending in shown_endings]
                shown |= {name: (self._comparison.output / name).read_bytes() for name in names}
                if arm.number in maps:
                    name = difference_name(arm.name, sample.number)
                    shown[name] = png_bytes(maps[arm.number], {})
        return shown

    @cached_property
    def _inputs(self) -> tuple[Cell, ...]:
        """What all arms start from, as their pipeline gets it."""
        from chords_cli.pipelines.conditions.pictures import opened

        cells = []
        for one in self._comparison.reference.settings.inputs:
            found = opened({one.role: one.medium})[one.role]
            frames = found if isinstance(found, list) else [found]
            pictures = np.stack([np.asarray(frame.convert("RGB")) for frame in frames])
            cells.append(Cell(pictures, (one.role, one.path.name)))
        return tuple(cells)

    def _check_shape(self, arm: Arm, shape: tuple[int, ...]) -> None:
        """Refuses a result that has another size than the first one."""
        self._shape = self._shape or shape
        if shape != self._shape:
            size, first_size = ("x".join(map(str, s[:3])) for s in (shape, self._shape))
            raise ChordsError(
                f"arm {verbatim(repr(arm.name))} makes {size} (frames, height, width), another one "
                f"{first_size}",
                "give all arms the same {width}, {height} and {frames}",
                {"width": None, "height": None, "frames": None},
            )

    def _shown_samples(self) -> tuple[PlannedSample, ...]:
        return self._comparison.samples[:SHOWN]

    def _make_row(self, sample: PlannedSample, captions: Sequence[tuple[str, ...]]) -> Row:
        arms = self._comparison.arms
        cells = tuple(
            Cell(self.frames(arm, sample), lines) for arm, lines in zip(arms, captions, strict=True)
        )
        heading = f"{sample.prompt}  ·  seed {sample.seed}"
        return Row(heading, cells, arms.index(self._comparison.reference), self._inputs)

    def _path(self, arm: Arm, sample: PlannedSample) -> Path:
        return self._spool / f"{arm.number}-{sample.number}.npy"
