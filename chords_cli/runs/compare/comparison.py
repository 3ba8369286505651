"""A comparison, resolved and checked in full before anything loads."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from pathlib import Path
from typing import cast

from chords_cli.errors import UsageError
from chords_cli.presets.files import DEFAULT, find_preset
from chords_cli.runs.compare.arms import FEW_STEPS, ArmError, ArmSpec, parse_arms
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.settings.option import options_of
from chords_cli.runs.settings.output_folder import check_free, check_writable, default_output
from chords_cli.runs.settings.request import CompareRequest, Request
from chords_cli.runs.settings.resolve import Settings, resolve
from chords_cli.runs.settings.samples import PlannedSample, resolve_prompts, slug
from chords_cli.sampler.choice import Algo

RECORD, SHEET, PAGE, FILM = "compare.json", "compare.png", "compare.html", "compare.mp4"

_SIZES = ("width", "height", "num_frames")


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to make the picture, with its place in the list, from 1, and its settings."""

    number: int
    spec: ArmSpec
    settings: Settings

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def rounds(self) -> int | None:
        """The rounds until its result; None where only the run can tell."""
        fixed = self.settings.stop.fixed
        return None if fixed is None else self.settings.plan.rounds(fixed)

    def file(self, sample: PlannedSample, ending: str) -> str:
        """The name of a file of its result."""
        return f"{sample.stem}-{self.number}-{slug(self.name)}.{ending}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Arms that share prompts, seeds and the size of their results."""

    request: CompareRequest
    arms: tuple[Arm, ...]
    reference: Arm
    samples: tuple[PlannedSample, ...]
    output: Path

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
        return shlex.join(["chords", "compare", *_words(self)])


def resolve_comparison(request: CompareRequest, *, starts: bool = False) -> Comparison:
    """Every arm's settings, checked together; `starts` as in `settings.resolve`.

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
    base = _base(request.base, starts=starts)
    if request.arm:
        arms = _arms(specs, base)
        _check_different(arms)
    else:  # on one core chords is the stock sampler, which is an arm already
        twins = [s for s in specs if s.algo == "chords" and _settings(s, base).plan.cores == 1]
        arms = _arms([spec for spec in specs if spec not in twins], base)
    reference = _reference(arms, request.reference)
    for arm in arms:
        _check_size(arm, reference)
    assert base.output is not None, "a base knows its folder"
    comparison = Comparison(
        request=request,
        arms=arms,
        reference=reference,
        samples=arms[0].settings.samples,
        output=base.output,
    )
    check_writable(base.output)
    if not base.overwrite:
        check_free(base.output, comparison.files)
    return comparison


def _base(request: Request, *, starts: bool) -> Request:
    """What all arms have in common, with prompts, seed and folder settled."""
    preset = find_preset(request.model or DEFAULT[request.kind])
    prompts = resolve_prompts(request.prompts, request.prompt_file, preset.prompts[:1])
    base = replace(
        request,
        prompts=prompts,
        prompt_file=None,
        seed=preset.seed if request.seed is None else request.seed,
        output=request.output or default_output(f"{preset.name}-compare"),
        save_latents=True,
    )
    # what is wrong with all arms is not said of one
    resolve(replace(base, algo="sequential", cores=None), starts=starts)
    return base


def _arms(specs: Sequence[ArmSpec], base: Request) -> tuple[Arm, ...]:
    """Resolves all arms; those of few steps last, since they look at the others."""
    found: dict[int, Arm] = {}
    for number, spec in sorted(enumerate(specs, 1), key=lambda pair: pair[1].algo == FEW_STEPS):
        own = base
        if spec.algo == FEW_STEPS and "steps" not in spec.given:
            own = replace(base, steps=_fewest_rounds(spec, found.values()))
        found[number] = Arm(number, spec, _settings(spec, own))
    return tuple(found[number] for number in sorted(found))


def _settings(spec: ArmSpec, base: Request) -> Settings:
    algo = cast(Algo, "sequential" if spec.on_one_core else spec.algo)
    if spec.on_one_core:
        base = replace(base, cores=None)
    try:
        _check_kind(spec, base)
        return resolve(replace(base, algo=algo, **spec.given))
    except UsageError as error:
        raise ArmError(spec, error) from error


def _check_different(arms: Sequence[Arm]) -> None:
    """Refuses arms that were named and, in other words, are the same."""
    for one, other in combinations(arms, 2):
        if one.settings == other.settings:
            raise UsageError(
                f"arms {one.name!r} and {other.name!r} are the same", "leave one of them out"
            )


def _check_kind(spec: ArmSpec, base: Request) -> None:
    preset = find_preset(spec.given.get("model") or base.model or DEFAULT[base.kind])
    if preset.kind != base.kind:
        raise UsageError(
            f"{preset.name} makes {preset.kind}s, but what is compared are {base.kind}s",
            f"name a preset that makes {base.kind}s",
        )


def _fewest_rounds(spec: ArmSpec, others: Iterable[Arm]) -> int:
    rounds = [arm.rounds for arm in others if not arm.spec.on_one_core and arm.rounds]
    if not rounds:
        raise UsageError(
            f"arm {spec.name!r} takes as many steps as the fastest other arm has rounds, "
            "but no other arm has a known number of rounds",
            f'say how many, as in {{arm}} "{FEW_STEPS} steps=20"',
            {"arm": None},
        )
    return min(rounds)


def _reference(arms: Sequence[Arm], name: str | None) -> Arm:
    """The arm of that name; else the first that takes every step, else the first."""
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
    """Refuses results that cannot be laid over each other."""
    for name in _SIZES:
        own, theirs = (one.settings.call.get(name) for one in (arm, reference))
        if own != theirs:
            option = name.removeprefix("num_")
            raise UsageError(
                f"arm {arm.name!r} has {option} {own}, but {reference.name!r} has {theirs}",
                f"give all arms the same with {{{option}}}",
                {option: theirs},
            )


def _cores_here(comparison: Comparison) -> int | None:
    """The number of cores that followed from the devices, for machines that have others."""
    by_itself = [
        arm.settings.plan.cores
        for arm in comparison.arms
        if not arm.spec.on_one_core and not {"cores", "init_t"} & arm.spec.given.keys()
    ]
    return max(by_itself, default=None)


def _words(comparison: Comparison) -> list[str]:
    """The command's arguments, with prompts, seed, arms and cores spelt out."""
    request, base = comparison.request, comparison.request.base
    words = [word for arm in comparison.arms for word in ("--arm", arm.name)]
    words += ["--reference", comparison.reference.name, "--seed", str(comparison.samples[0].seed)]
    words += ["--repeat", str(request.repeat)] if request.repeat > 1 else []
    words += ["--clip-score"] if request.clip_score else []
    if base.cores is None:
        base = replace(base, cores=_cores_here(comparison))
    words += [word for source, scale in base.loras for word in ("--lora", f"{source}={scale}")]
    for name, (_, option) in options_of(Request).items():
        value = getattr(base, name)
        repeated = option.compare in ("all", "both") and name not in _NOT_REPEATED
        if repeated and value is not None and value != _DEFAULTS[name]:
            words += [f"--{name.replace('_', '-')}", str(value)]
    prompts = list(comparison.reference.settings.prompts)
    return [*words, *(["--"] if any(p.startswith("-") for p in prompts) else []), *prompts]


_DEFAULTS = {field.name: field.default for field in fields(Request)}

_NOT_REPEATED = {"prompts", "prompt_file", "seed", "output", "loras", "overwrite", "metadata"}
"""Options that the command names otherwise, or that determine nothing that is compared."""
