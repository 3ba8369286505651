"""Checks whether diffusers can compute attention as a preset asks, without importing diffusers.

What only shows on the device is checked where the model is loaded (`pipelines.load.attention`).
"""

import importlib.util
import os
import re
from collections.abc import Sequence

from chords_cli.errors import UsageError
from chords_cli.models.denoisers.source import all_backends, has_choice
from chords_cli.pipelines.rules import did_you_mean
from chords_cli.presets.schema import Preset

VARIABLE = "DIFFUSERS_ATTN_BACKEND"
"""By which diffusers is told how to compute attention where a preset does not say it."""

_PACKAGES = (
    (r"_?flash_(varlen_)?3", "flash_attn_3", "build FlashAttention 3 from its source"),
    (r"flash(_varlen)?", "flash_attn", "pip install flash-attn"),
    (r"_?sage\w*", "sageattention", "pip install sageattention"),
    (r"xformers", "xformers", "pip install xformers"),
    (r"_native_npu", "torch_npu", "pip install torch-npu"),
    (r"_native_xla", "torch_xla", "pip install torch-xla"),
)
"""The backends that need a package: their names, what is imported, and how to get it."""

_FETCHED = "_hub"
"""How the backends end whose code diffusers fetches from the hub."""

_WITHOUT = "remove attention from the preset"


def attention_of(preset: Preset) -> str:
    """Returns diffusers' name of how the preset's model computes attention."""
    return preset.attention or os.environ.get(VARIABLE) or "native"


def check_attention(preset: Preset, denoisers: Sequence[str]) -> None:
    """Refuses an attention that diffusers does not have, or not here, or not for this model.

    Args:
        preset: May name one.
        denoisers: The classes that the model's denoisers have or may have.

    Raises:
        UsageError: It cannot work.
    """
    backend, known = preset.attention, all_backends()
    if backend is None or not known:
        return
    mine = [name for name in known if not name.endswith(_FETCHED)]
    if backend not in known:
        raise UsageError(
            f"attention is {backend}, which diffusers does not have",
            f"{did_you_mean(backend, mine)}it has {', '.join(mine)}",
        )
    if backend not in mine:
        raise UsageError(
            f"attention {backend} is code that diffusers fetches from the hub, which is never run",
            f"name one whose package is installed, such as {backend.removesuffix(_FETCHED)}, or "
            f"{_WITHOUT}",
        )
    for names, module, how in _PACKAGES:
        if re.fullmatch(names, backend) and importlib.util.find_spec(module) is None:
            raise UsageError(
                f"attention {backend} needs {module}, which is not installed",
                f"{how}, or {_WITHOUT}",
            )
    if denoisers and all(has_choice(name) is False for name in denoisers):
        raise UsageError(
            f"attention is {backend}, but diffusers computes that of {' and '.join(denoisers)} in "
            "one way only",
            _WITHOUT,
        )
