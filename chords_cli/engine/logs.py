"""What processes that are started print: into files, of which errors quote the last line."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path


def redirect_output(path: str) -> None:
    """Sends this process's stdout and stderr, C libraries' included, to the end of a file."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def last_line(path: Path, *, after: int = 0) -> str:
    """Returns the last line of a log after its first `after` bytes that is not blank; else ""."""
    try:
        lines = path.read_bytes()[after:].decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


@functools.cache
def start_log() -> Path:
    """Returns the log of all processes that are no cores; the file ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="chords-start-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "start.log"
