"""Resolves and checks a complete comparison before anything loads."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError, verbatim
from chords_cli.models.repositories import find_model
from chords_cli.presets.files import model_or_default
from chords_cli.runs.compare.arms import parse_arms
from chords_cli.runs.compare.request import CompareRequest
from chords_cli.runs.compare.resolving import Arm, default_arms, resolve_arms
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.settings.lines import refuse_lines
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.output_folder import check_free, check_writable, default_output
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.samples import PlannedSample, resolve_prompts

RECORD, SHEET, PAGE, FILM = "compare.json", "compare.png", "compare.html", "compare.mp4"

_SIZES = ("width", "height", "num_frames")


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Arms that share prompts, seeds and the size of their results.

    Attributes:
        left_out: Says which of the usual arms its model does not take.
    """

    request: CompareRequest
    arms: tuple[Arm, ...]
    reference: Arm
    samples: tuple[PlannedSample, ...]
    output: Path
    left_out: tuple[str, ...]

    @property
    def kind(self) -> str:
        """`image` or `video`."""
        return self.request.base.kind

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files that it makes, the record last."""
        pictures = [
            arm.file(sample, ending)
            for sample in self.samples
            for arm in self.arms
            for ending in endings(arm.settings)
        ]
        film = (FILM,) if self.kind == "video" else ()
        return (*pictures, SHEET, *film, PAGE, RECORD)

    @property
    def again(self) -> str:
        """The command that makes the comparison again."""
        return shlex.join(["chords", "compare", *_make_arguments(self)])


def resolve_comparison(request: CompareRequest, *, starts: bool = False) -> Comparison:
    """Resolves every arm's settings and checks them together; for `starts` see `settings.resolve`.

    Raises:
        UsageError: An arm is wrong or does not fit the others; its message names the arm.
    """
    specs = parse_arms(request.arm)
    if request.repeat < 1:
        raise UsageError(
            f"repeat is {request.repeat}, but must be at least 1", "try {repeat}", {"repeat": 3}
        )
    if request.base.output is not None and not request.base.overwrite:
        check_free(request.base.output, [RECORD])  # before anything is imported
    base = _resolve_base(request.base, starts=starts)
    arms, left_out = (resolve_arms(specs, base), ()) if request.arm else default_arms(base)
    reference = _find_reference(arms, request.reference)
    for arm in arms:
        _check_size(arm, reference)
    assert base.output is not None, "the folder is resolved with the base"
    comparison = Comparison(
        request=request,
        arms=arms,
        reference=reference,
        samples=arms[0].settings.samples,
        output=base.output,
        left_out=left_out,
    )
    check_writable(base.output)
    if not base.overwrite:
        check_free(base.output, comparison.files)
    return comparison


def _resolve_base(request: Request, *, starts: bool) -> Request:
    """Returns what all arms have in common, with prompts, seed and folder resolved."""
    preset = find_model(model_or_default(request.model, request.kind))
    refuse_lines(request.prompt_file, "chords compare")
    prompts = resolve_prompts(request.prompts, request.prompt_file, preset.prompts[:1])
    base = replace(
        request,
        prompts=prompts,
        prompt_file=None,
        seed=preset.seed if request.seed is None else request.seed,
        output=request.output or default_output(f"{preset.name}-compare"),
        save_latents=True,
    )
    # an error that all arms share should not name one of them
    resolve(replace(base, algo="sequential", cores=None), starts=starts)
    return base


def _find_reference(arms: Sequence[Arm], name: str | None) -> Arm:
    """Finds the arm with that name; without a name, the first sequential arm or else the first."""
    if name is None:
        exact = [arm for arm in arms if arm.spec.algo == "sequential"]
        return exact[0] if exact else arms[0]
    for arm in arms:
        if arm.name == " ".join(name.split()):
            return arm
    raise UsageError(
        f"the reference {name!r} is not one of the arms",
        f"choose one of {', '.join(repr(arm.name) for arm in arms)}",
    )


def _check_size(arm: Arm, reference: Arm) -> None:
    """Refuses an arm whose results have another size than the reference's."""
    for name in _SIZES:
        size, wanted = arm.settings.call.get(name), reference.settings.call.get(name)
        if size != wanted:
            option = name.removeprefix("num_")
            raise UsageError(
                f"arm {verbatim(repr(arm.name))} has {option} {size}, but "
                f"{verbatim(repr(reference.name))} has {wanted}",
                f"give all arms the same with {{{option}}}",
                {option: wanted},
            )


def _cores_from_devices(comparison: Comparison) -> int | None:
    """Returns the number of cores that followed from this machine's devices, None if none did."""
    cores = [
        arm.settings.plan.cores
        for arm in comparison.arms
        if not arm.spec.on_one_core and not {"cores", "init_t"} & arm.spec.given.keys()
    ]
    return max(cores, default=None)


def _make_arguments(comparison: Comparison) -> list[str]:
    """Returns the command's arguments, with explicit prompts, seed, arms and cores."""
    request, base = comparison.request, comparison.request.base
    words = [word for arm in comparison.arms for word in ("--arm", arm.name)]
    words += ["--reference", comparison.reference.name, "--seed", str(comparison.samples[0].seed)]
    words += ["--repeat", str(request.repeat)] if request.repeat > 1 else []
    words += ["--clip-score"] if request.clip_score else []
    words += [] if base.metadata else ["--no-metadata"]
    if base.cores is None:
        base = replace(base, cores=_cores_from_devices(comparison))
    words += [word for source, scale in base.loras for word in ("--lora", f"{source}={scale}")]
    for name, (_, option) in options_of(Request).items():
        value = getattr(base, name)
        repeated = option.compare in ("all", "both") and name not in _NOT_REPEATED
        if repeated and value is not None and value != _DEFAULTS[name]:
            words += _as_words(name, value)
    prompts = list(comparison.reference.settings.prompts)
    return [*words, *(["--"] if any(p.startswith("-") for p in prompts) else []), *prompts]


def _as_words(name: str, value: Any) -> list[str]:
    """Writes an option, as often as it has values; one that is true or false has none."""
    flag = name.replace("_", "-")
    if isinstance(value, tuple):
        return [word for one in value for word in (f"--{flag}", str(one))]
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", str(value)]


_DEFAULTS = {field.name: field.default for field in fields(Request)}

_NOT_REPEATED = {"prompts", "prompt_file", "seed", "output", "loras", "overwrite", "metadata"}
"""Options that are written in another way, or that do not influence what is compared."""
