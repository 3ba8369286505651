"""Where a worker's output goes: to a file, from which a crash report quotes the last lines."""

import os
from pathlib import Path

LOG_VARIABLE = "CHORDS_WORKER_LOG"
"""Tells the process that workers are forked from where its output goes."""

PIPELINE_VARIABLE = "CHORDS_PRELOAD_PIPELINE"
"""Tells it which pipeline class to import before forking."""


def redirect_output(path: str) -> None:
    """Sends this process's stdout and stderr, C libraries' included, to the end of a file."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def last_line(path: Path, *, after: int = 0) -> str:
    """The last line of a log, behind its first `after` bytes, that says something; else ""."""
    try:
        lines = path.read_bytes()[after:].decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
