"""A comparison, resolved and checked in full before anything loads."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from pathlib import Path

from chords_cli.errors import UsageError
from chords_cli.presets.files import DEFAULT, find_preset
from chords_cli.runs.compare.arms import FEW_STEPS, Arm, parse_arms
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.settings.output_folder import check_free, check_writable, default_output
from chords_cli.runs.settings.prompts import resolve_prompts
from chords_cli.runs.settings.request import Request
from chords_cli.runs.settings.resolve import Settings, resolve
from chords_cli.runs.settings.samples import PlannedSample, slug

RECORD, SHEET, PAGE, FILM = "compare.json", "compare.png", "compare.html", "compare.mp4"

_SIZES = ("width", "height", "num_frames")


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareRequest:
    """What the user asked for; `base` holds what all arms have in common."""

    base: Request
    arms: tuple[str, ...] = ()
    reference: str | None = None
    repeat: int = 1
    clip_score: bool = False


@dataclass(frozen=True, slots=True)
class Contestant:
    """An arm with its place in the list, from 1, and everything that it resolved to."""

    number: int
    arm: Arm
    settings: Settings

    @property
    def name(self) -> str:
        return self.arm.name

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
    """Contestants that share prompts, seeds and the size of their results."""

    request: CompareRequest
    contestants: tuple[Contestant, ...]
    reference: Contestant
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
            one.file(sample, ending)
            for sample in self.samples
            for one in self.contestants
            for ending in endings(one.settings)
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
    arms, asked = parse_arms(request.arms), bool(request.arms)
    if request.repeat < 1:
        raise UsageError(f"repeat is {request.repeat}, but must be at least 1", "try --repeat 3")
    base = _base(request.base, starts=starts)
    contestants = _contestants(arms if asked else _without_twins(arms, base), base)
    if asked:
        _check_different(contestants)
    reference = _reference(contestants, request.reference)
    for one in contestants:
        _check_size(one, reference)
    assert base.output is not None, "a base knows its folder"
    samples = contestants[0].settings.samples
    comparison = Comparison(
        request=request,
        contestants=contestants,
        reference=reference,
        samples=samples,
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


def _without_twins(arms: Sequence[Arm], base: Request) -> tuple[Arm, ...]:
    """The arms that are compared when none is named: on one core `chords` is the stock sampler."""
    return tuple(arm for arm in arms if arm.algo != "chords" or _settings(arm, base).plan.cores > 1)


def _contestants(arms: Sequence[Arm], base: Request) -> tuple[Contestant, ...]:
    """All arms resolved; those of few steps last, since they look at the others."""
    found: dict[int, Contestant] = {}
    for number, arm in sorted(enumerate(arms, 1), key=lambda pair: pair[1].algo == FEW_STEPS):
        own = base
        if arm.algo == FEW_STEPS and "steps" not in arm.said:
            own = replace(base, steps=_fewest_rounds(arm, found.values()))
        found[number] = Contestant(number, arm, _settings(arm, own))
    return tuple(found[number] for number in sorted(found))


def _settings(arm: Arm, base: Request) -> Settings:
    algo = "sequential" if arm.on_one_core else arm.algo
    if arm.on_one_core:
        base = replace(base, cores=None)
    try:
        _check_kind(arm, base)
        return resolve(replace(base, algo=algo, **arm.said))
    except UsageError as error:
        raise UsageError(
            f"arm {arm.name!r}: {arm.reworded(error.message)}", arm.reworded(error.hint)
        ) from error


def _check_different(contestants: Sequence[Contestant]) -> None:
    """Refuses arms that were named and, in other words, are the same."""
    for one, other in combinations(contestants, 2):
        if one.settings == other.settings:
            raise UsageError(
                f"arms {one.name!r} and {other.name!r} are the same", "leave one of them out"
            )


def _check_kind(arm: Arm, base: Request) -> None:
    preset = find_preset(arm.said.get("model") or base.model or DEFAULT[base.kind])
    if preset.kind != base.kind:
        raise UsageError(
            f"{preset.name} makes {preset.kind}s, but what is compared are {base.kind}s",
            f"name a preset that makes {base.kind}s",
        )


def _fewest_rounds(arm: Arm, others: Iterable[Contestant]) -> int:
    rounds = [one.rounds for one in others if not one.arm.on_one_core and one.rounds]
    if not rounds:
        raise UsageError(
            f"arm {arm.name!r} takes as many steps as the fastest other arm has rounds, "
            "but no other arm has a known number of rounds",
            f'say how many, as in --arm "{FEW_STEPS} steps=20"',
        )
    return min(rounds)


def _reference(contestants: Sequence[Contestant], name: str | None) -> Contestant:
    """The arm of that name; else the first that takes every step, else the first."""
    if name is None:
        exact = [one for one in contestants if one.arm.algo == "sequential"]
        return exact[0] if exact else contestants[0]
    for one in contestants:
        if one.name == " ".join(name.split()):
            return one
    raise UsageError(
        f"the reference {name!r} is not one of the arms",
        f"choose one of {', '.join(repr(one.name) for one in contestants)}",
    )


def _check_size(one: Contestant, reference: Contestant) -> None:
    """Refuses results that cannot be laid over each other."""
    for name in _SIZES:
        own, theirs = (c.settings.call.get(name) for c in (one, reference))
        if own != theirs:
            option = name.removeprefix("num_")
            raise UsageError(
                f"arm {one.name!r} has {option} {own}, but {reference.name!r} has {theirs}",
                f"give all arms the same with --{option} {theirs}",
            )


def _cores_here(comparison: Comparison) -> list[str]:
    """The number of cores that followed from the devices, for machines that have others."""
    if comparison.request.base.cores is not None:
        return []
    by_itself = [
        one.settings.plan.cores
        for one in comparison.contestants
        if not one.arm.on_one_core and not {"cores", "init_t"} & one.arm.said.keys()
    ]
    return ["--cores", str(max(by_itself))] if by_itself else []


def _words(comparison: Comparison) -> list[str]:
    """The command's arguments, with prompts, seed and arms spelt out."""
    request, base = comparison.request, comparison.request.base
    words = [word for one in comparison.contestants for word in ("--arm", one.name)]
    words += ["--reference", comparison.reference.name, "--seed", str(comparison.samples[0].seed)]
    words += ["--repeat", str(request.repeat)] if request.repeat > 1 else []
    words += ["--clip-score"] if request.clip_score else []
    words += _cores_here(comparison)
    words += [word for source, scale in base.loras for word in ("--lora", source, str(scale))]
    for field in fields(Request):
        value = getattr(base, field.name)
        if field.name not in _NOT_SAID_AGAIN and value is not None:
            words += [f"--{field.name.replace('_', '-')}", str(value)]
    prompts = list(comparison.reference.settings.prompts)
    return [*words, *(["--"] if any(p.startswith("-") for p in prompts) else []), *prompts]


_NOT_SAID_AGAIN = {
    *("kind", "prompts", "prompt_file", "seed", "output", "loras", "gif"),
    *("all_cores", "save_latents", "resume", "overwrite", "metadata", "from_metadata"),
}
"""Fields of `Request` that are said otherwise, or that decide nothing that is compared."""
