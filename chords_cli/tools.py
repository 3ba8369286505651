"""Runs other programs, without what only this one may know: tokens, and the secret of hosts.

Nothing here knows what a program is asked, or why.
"""

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""The variables that may hold a token of the hub."""

SECRET = "CHORDS_SECRET"
"""The variable with what all hosts of a run know, and nobody else."""

_SECRETS = (*TOKENS, SECRET)
_hiding = threading.RLock()


@contextmanager
def without_secrets() -> Iterator[None]:
    """Hides the secrets inside from what is started there, and from this process."""
    with _hiding:
        hidden = {name: os.environ.pop(name) for name in _SECRETS if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(hidden)


def run_tool(line: Sequence[str], **how: Any) -> subprocess.CompletedProcess[Any]:
    """Runs a program to its end; returns what it said.

    Args:
        line: The program and its arguments.
        how: Further arguments of `subprocess.run`.

    Raises:
        OSError: It cannot be run.
        subprocess.TimeoutExpired: It took longer than `timeout`.
    """
    return subprocess.run(line, capture_output=True, check=False, env=_environment(), **how)


def start_tool(line: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts a program that hears nothing, and whose standard output is a pipe.

    Raises:
        OSError: It cannot be run.
    """
    return subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )


def find_ffmpeg() -> str:
    """Returns the path of ffmpeg, of which the library asks its version.

    Raises:
        RuntimeError: There is none.
    """
    import imageio_ffmpeg

    with without_secrets():
        return str(imageio_ffmpeg.get_ffmpeg_exe())


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _SECRETS}
