"""Files in the current folder."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path, monkeypatch) -> Callable[[str, bytes], str]:
    """Writes a file into the current folder; returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, data: bytes) -> str:
        Path(name).write_bytes(data)
        return name

    return write
