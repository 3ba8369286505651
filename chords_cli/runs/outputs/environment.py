"""The versions that a run was made with."""

import platform
from importlib.metadata import PackageNotFoundError, version

import chords_cli

_PACKAGES = ("torch", "diffusers", "transformers")


def environment() -> dict[str, str | None]:
    """Returns versions by name; None for a package that is not installed."""
    return {
        "chords": chords_cli.__version__,
        **{name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
