"""The finished batches of a study that is still running, so that a study that ends early goes on.

A text file of JSON lines beside the study's output: first the settings that decide its numbers,
then a line a batch, in the order in which they are done.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.study.measures import Row
from benchmarks.study.previews import Preview


class Batch(NamedTuple):
    """What all arms made of the prompts of one batch."""

    rows: list[Row]
    previews: list[Preview]


class Partial:
    """The batches of one study, by their number; in memory alone where it has no path.

    Raises:
        ValueError: The file holds another study.
    """

    def __init__(self, path: Path | None, settings: dict[str, Any]) -> None:
        self._path = path
        self.batches: dict[int, Batch] = {}
        if path is None:
            return
        lines = _complete_lines(path)
        if lines and lines[0] != settings:
            raise ValueError(f"{path} holds the batches of a study with other settings")
        self.batches = {line["batch"]: _batch(line) for line in lines[1:]}
        path.write_text("".join(json.dumps(line) + "\n" for line in [settings, *lines[1:]]))

    def add(self, number: int, batch: Batch) -> None:
        self.batches[number] = batch
        if self._path is None:
            return
        line = {
            "batch": number,
            "rows": [row.document() for row in batch.rows],
            "previews": [one.document() for one in batch.previews],
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def remove(self) -> None:
        """Once the study's own file is there."""
        if self._path is not None:
            self._path.unlink()


def _complete_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of the file, without one that was cut in the middle."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _batch(line: dict[str, Any]) -> Batch:
    return Batch(
        [Row.of(row) for row in line["rows"]], [Preview.of(one) for one in line["previews"]]
    )
