"""What lies on a hub: files with the hashes of git and LFS, and repositories of them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGE = 10_000
"""Files of this size and above are stored as LFS files."""


@dataclass
class File:
    """A file of a repository."""

    content: bytes

    def __post_init__(self) -> None:
        header = f"blob {len(self.content)}\0".encode()
        self.size = len(self.content)
        self.blob_id = hashlib.sha1(header + self.content).hexdigest()
        self.sha256 = hashlib.sha256(self.content).hexdigest()
        self.large = self.size >= LARGE

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.blob_id


@dataclass
class Repo:
    """A repository at one commit, which is both `main` and `v1`."""

    files: dict[str, File]
    gated: bool = False
    private: bool = False
    claimed: dict[str, int] = field(default_factory=dict)
    """Sizes that the listing tells instead of the true ones."""

    def __post_init__(self) -> None:
        names = "".join(f"{name}{file.etag}" for name, file in sorted(self.files.items()))
        self.commit = hashlib.sha1(names.encode()).hexdigest()

    def size_of(self, paths: Iterable[str]) -> int:
        return sum(self.files[path].size for path in paths)

    @classmethod
    def of(cls, folder: Path, **settings: Any) -> "Repo":
        paths = [path for path in folder.rglob("*") if path.is_file()]
        files = {path.relative_to(folder).as_posix(): File(path.read_bytes()) for path in paths}
        return cls(files, **settings)
