"""The files of a model's weights, and how many of their bytes are read; without any library."""

from collections.abc import Callable, Mapping
from pathlib import Path

Tell = Callable[[str, int, int], None]
"""Told (component, bytes read, bytes in all)."""


def weight_files(folder: Path, variant: str | None = None) -> list[Path]:
    """Lists a component's weights: those of the variant (`model.fp16.safetensors`), else the plain.

    Args:
        folder: The component's.
        variant: None for the plain weights alone, if there are any.
    """
    files = sorted(folder.glob("*.safetensors"))
    chosen = [file for file in files if f".{variant}" in file.stem]
    return chosen or [file for file in files if "." not in file.stem] or files


def file_sizes(folders: Mapping[str, Path], variant: str | None = None) -> dict[str, int]:
    """Returns the bytes on disk of those components that have weights, of the given folders."""
    sizes = {
        name: sum(file.stat().st_size for file in weight_files(folder, variant))
        for name, folder in folders.items()
    }
    return {name: size for name, size in sizes.items() if size}


class Reading:
    """Turns the libraries' bars into bytes.

    They tell which component comes next and how many of its shards or tensors are done. A
    component's share is counted in those pieces, as if all were of one size.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._sizes: Mapping[str, int] = {}
        self._left: dict[str, int] = {}
        self._now, self._share = "", 0.0

    def expect(self, sizes: Mapping[str, int]) -> None:
        """Takes the bytes of every component that will be read."""
        self._sizes, self._left, self._now, self._share = sizes, dict(sizes), "", 0.0

    def hear(self, what: str, done: int, total: int | None) -> None:
        """Takes a bar's word: a component's name as it begins, or pieces of the current one."""
        if what in self._sizes:
            self._left.pop(self._now, None)
            self._now, self._share = what, 0.0
        elif self._now and total:
            self._share = max(self._share, min(1.0, done / total))  # threads may overtake
        if self._now:
            size, in_all = self._left.get(self._now, 0), sum(self._sizes.values())
            self._tell(
                self._now, in_all - sum(self._left.values()) + int(self._share * size), in_all
            )
