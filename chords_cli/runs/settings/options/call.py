"""The arguments of a pipeline's call: the preset's, changed by the options, and checked."""

from chords_cli.errors import UsageError
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.presets.call import guidance_key, guidance_of, is_guidance, with_guidance
from chords_cli.presets.schema import Preset
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.request import Request


def resolve_call(request: Request, preset: Preset) -> Arguments:
    """Returns the preset's arguments of the call, changed by the options.

    Raises:
        UsageError: The pipeline cannot be called like that.
    """
    preset.limits.check(width=request.width, height=request.height, frames=request.frames)
    given = {
        option.call: value
        for name, (_, option) in options_of(Request).items()
        if option.call and (value := getattr(request, name)) is not None
    }
    guidance = given.pop("guidance", None)
    given.pop("strength", None)  # its name depends on the pipeline (runs.settings.inputs)
    call = preset.call | given
    if guidance is not None:
        if guidance_key(preset.call) is None:
            raise UsageError(
                f"guidance is {guidance:g}, but {preset.name} takes none",
                "leave out {guidance}",
                {"guidance": None},
            )
        call = with_guidance(call, guidance)
    if preset.kind == "video":
        _check_even(call)
    _check_negative_prompt(request, preset, call)
    return call


def _check_even(call: Arguments) -> None:
    """Refuses odd sizes: in an MP4, two by two pixels share their colour."""
    for name in ("width", "height"):
        size = call.get(name)
        if isinstance(size, int) and size % 2:
            raise UsageError(
                f"{name} is {size}, but a video has even sizes",
                f"try {{{name}}}",
                {name: size + 1},
            )


def _check_negative_prompt(request: Request, preset: Preset, call: Arguments) -> None:
    """Refuses an impossible guidance, and a negative prompt that would do nothing."""
    guidance = guidance_of(call)
    if guidance is not None and not is_guidance(guidance):
        raise UsageError(
            f"guidance is {guidance:g}, but must be finite and 0 or more",
            "try {guidance}",
            {"guidance": 3.5},
        )
    if not request.negative_prompt:
        return
    if not {"negative_prompt", "true_cfg_scale"} & preset.call.keys():
        raise UsageError(
            f"{preset.name} takes no negative prompt",
            "leave out {negative_prompt}",
            {"negative_prompt": None},
        )
    if guidance is not None and guidance <= 1:
        raise UsageError(
            f"a negative prompt does nothing at guidance {guidance:g}",
            "raise {guidance} above 1, or leave out {negative_prompt}",
            {"guidance": None, "negative_prompt": None},
        )
