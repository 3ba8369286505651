"""Checks what a preset asks of a model's denoisers, without importing torch or diffusers."""

from collections.abc import Sequence

from chords_cli.errors import UsageError
from chords_cli.models.denoisers.attention import check_attention
from chords_cli.models.denoisers.source import compile_parameters, has_repeated_blocks
from chords_cli.pipelines.rules import did_you_mean
from chords_cli.presets.schema import Preset


def check_denoisers(preset: Preset, denoisers: Sequence[str]) -> None:
    """Refuses an attention that cannot be computed, and blocks that cannot be compiled.

    Args:
        preset: May ask for both.
        denoisers: The classes that the model's denoisers have or may have.

    Raises:
        UsageError: Diffusers or torch would refuse it.
    """
    check_attention(preset, denoisers)
    if preset.compile is None:
        return
    if denoisers and all(has_repeated_blocks(name) is False for name in denoisers):
        raise UsageError(
            f"compile is set, but {' and '.join(denoisers)} names no repeated blocks to compile",
            "remove compile from the preset",
        )
    known = compile_parameters()
    for name in preset.compile if known else ():
        if name not in known:
            raise UsageError(
                f"compile.{name} is no argument of torch.compile",
                f"{did_you_mean(name, known)}it has {', '.join(known)}",
            )
