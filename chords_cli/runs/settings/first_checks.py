"""Which preset a request names, and what in it contradicts itself."""

import math
import shlex
from collections.abc import Sequence

from chords_cli.engine.start import DEFAULT_TIMEOUT
from chords_cli.errors import UsageError
from chords_cli.media.videos import check_encoder
from chords_cli.models.fit import find_denoisers
from chords_cli.models.loras import check_loras
from chords_cli.models.repositories import find_model
from chords_cli.pipelines.load.spec import DTYPES
from chords_cli.presets.files import available_presets, load_preset, model_or_default
from chords_cli.presets.schema import Preset
from chords_cli.runs.settings.options.option import Option, options_of
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.options.run_options import RunOptions
from chords_cli.runs.settings.samples import check_samples


def check_resume(request: Request) -> None:
    """Refuses to continue a run without its folder, or while it is overwritten."""
    if request.resume and request.output is None:
        raise UsageError(
            "{resume} is given without {output}",
            "name the folder of the earlier run with {output}",
            {"resume": True, "output": None},
        )
    if request.resume and request.overwrite:
        raise UsageError(
            "{resume} and {overwrite} exclude each other",
            "give one: {resume} keeps what is done, {overwrite} makes all of it again",
            {"resume": True, "overwrite": True},
        )


def find_preset(request: Request) -> Preset:
    name = model_or_default(request.model, request.kind)
    if request.model is None and all(name != file.name for file in available_presets()):
        others = [load_preset(file.file) for file in available_presets()]
        names = [
            other.name
            for other in others
            if other.kind == request.kind
            and not any(rule.required for rule in other.inputs.values())
        ]
        raise UsageError(
            f"there is no built-in {request.kind} model",
            f"name one of {', '.join(names)}, as in chords {request.kind} --model {names[-1]}",
        )
    return find_model(name)


def check_kind(request: Request, preset: Preset, model: str | None) -> None:
    """Refuses a preset of the other kind, and options for videos with a preset for images.

    `model` is the preset that the user named; None if only a picture's metadata names it.
    """
    if preset.kind != request.kind:
        source = "--from-latent" if request.from_latent else "--from-metadata"
        given = {source: request.from_metadata, "--model": model}
        words = [word for flag, value in given.items() if value for word in (flag, str(value))]
        raise UsageError(
            f"{preset.name} makes {preset.kind}s, but this is chords {request.kind}",
            f"type chords {preset.kind} {shlex.join(words)}",
        )
    for name, (_, option) in options_of(Request).items():
        value = getattr(request, name)
        if option.video and value and preset.kind == "image":
            raise UsageError(
                f"{name} is {value}, but {preset.name} makes images",
                f"leave out {{{name}}}",
                {name: None},
            )


def _check_range(name: str, value: int | None, option: Option) -> None:
    if value is None:
        return
    if option.least is not None and value < option.least:
        word, bound = "least", option.least
    elif option.most is not None and value > option.most:
        word, bound = "most", option.most
    else:
        return
    raise UsageError(
        f"{name} is {value}, but must be at {word} {bound}", f"try {{{name}}}", {name: bound}
    )


def check_values(settings: RunOptions, preset: Preset, prompts: Sequence[str]) -> None:
    """Checks those resolved values that are not checked by their types.

    Raises:
        UsageError: A value is out of its range.
    """
    if settings.dtype not in DTYPES:
        raise UsageError(f"dtype {settings.dtype!r} is not known", f"choose {', '.join(DTYPES)}")
    if preset.kind == "video":
        check_encoder()
    check_samples(len(prompts), settings.num or 1, settings.seed or 0)
    if settings.loras:
        check_loras(settings.loras, find_denoisers(preset))
    for name, (_, option) in options_of(RunOptions).items():
        _check_range(name, getattr(settings, name), option)
    if not (math.isfinite(settings.timeout) and settings.timeout > 0):
        raise UsageError(
            f"timeout is {settings.timeout:g} seconds, but must be finite and above 0",
            "try {timeout}",
            {"timeout": round(DEFAULT_TIMEOUT)},
        )
