"""Resolves the arms of a comparison: one after the other, because some keep pace with others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import cast

from chords_cli.errors import UsageError, verbatim
from chords_cli.models.counterparts import NoCounterpartError
from chords_cli.models.fit import preset_with_sampler
from chords_cli.models.inputs.strength import steps_taken
from chords_cli.models.repositories import find_model
from chords_cli.presets.call import STEPS
from chords_cli.presets.files import model_or_default
from chords_cli.presets.schema import Preset
from chords_cli.runs.compare.arms import (
    CACHE,
    FEW_STEPS,
    ArmError,
    ArmSpec,
    parse_arm,
    parse_arms,
)
from chords_cli.runs.compare.caches import OWN, preset_with_cache
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.samples import PlannedSample, slug
from chords_cli.runs.settings.settings import Settings
from chords_cli.sampler.choice import Algo


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
        """The rounds until its result; None if they are only known after the run."""
        fixed = self.settings.stop.fixed
        return None if fixed is None else self.settings.plan.rounds(fixed)

    def file(self, sample: PlannedSample, ending: str) -> str:
        """Returns the name of a file of the arm's result."""
        return f"{sample.stem}-{self.number}-{slug(self.name)}.{ending}"


def resolve_arms(specs: Sequence[ArmSpec], base: Request) -> tuple[Arm, ...]:
    """Resolves arms that the user named; those that keep pace with others follow these.

    Raises:
        UsageError: An arm is impossible, or two are the same.
    """
    arms = _resolve_all(specs, base)
    for first, second in combinations(arms, 2):
        if first.settings == second.settings:
            raise UsageError(
                f"arms {first.name!r} and {second.name!r} are the same", "leave one of them out"
            )
    return arms


def default_arms(base: Request) -> tuple[tuple[Arm, ...], tuple[str, ...]]:
    """Resolves the arms of a comparison that names none, and says which the model does not take.

    Two that are the same count once: a model's own scheduler may be one of the samplers, and few
    steps may be all of them. On one core there is nothing to compare with one core. A cache that
    the preset names is an arm of its own.
    """
    specs, left_out = list[ArmSpec](), list[str]()
    cached = find_model(model_or_default(base.model, base.kind)).cache is not None
    for spec in (*parse_arms([]), *([parse_arm(f"sequential {CACHE}={OWN}")] if cached else [])):
        try:
            _preset(spec, base)
            specs.append(spec)
        except NoCounterpartError as error:
            left_out.append(f"Without {spec.name}: {error.message}.")
    (several,) = (spec for spec in specs if spec.name == "wavefront")
    if _resolve_arm(several, base).plan.cores == 1:
        specs = [spec for spec in specs if spec.on_one_core or spec is several]
    arms = list[Arm]()
    for arm in _resolve_all(specs, base):
        if all(arm.settings != other.settings for other in arms):
            arms.append(replace(arm, number=len(arms) + 1))
    return tuple(arms), tuple(left_out)


def _resolve_all(specs: Sequence[ArmSpec], base: Request) -> tuple[Arm, ...]:
    """Resolves arms in such an order that each comes after those that it keeps pace with."""
    arms: dict[int, Arm] = {}
    order = {spec.name: (spec.keeps_pace, spec.algo == FEW_STEPS) for spec in specs}
    for number, spec in sorted(enumerate(specs, 1), key=lambda pair: order[pair[1].name]):
        asked = _with_pace(spec, base, arms.values()) if spec.keeps_pace else spec
        arms[number] = Arm(number, spec, _resolve_arm(asked, base))
    return tuple(arms[number] for number in sorted(arms))


def _with_pace(spec: ArmSpec, base: Request, others: Iterable[Arm]) -> ArmSpec:
    """Returns an arm with as many evaluations in a row as the fastest other on several cores."""
    rounds = [arm.rounds for arm in others if not arm.spec.on_one_core and arm.rounds]
    if rounds and spec.algo == FEW_STEPS:
        return replace(spec, given={**spec.given, "steps": _grid_for(spec, base, min(rounds))})
    if rounds:
        most = min(*rounds, _resolve_arm(spec, base).plan.steps)
        return replace(spec, given={**spec.given, "rounds": most})
    if spec.algo != FEW_STEPS:  # then in as many rounds as are usual for one core
        return spec
    raise UsageError(
        f"arm {verbatim(repr(spec.name))} takes as many steps as the fastest other arm has rounds, "
        "but no other arm has a known number of rounds",
        f'say how many, as in {{arm}} "{FEW_STEPS} steps=20"',
        {"arm": None},
    )


def _grid_for(spec: ArmSpec, base: Request, steps: int) -> int:
    """Returns the smallest grid of which a pipeline takes so many steps: more with a strength."""
    full = replace(spec, given={key: v for key, v in spec.given.items() if key != "steps"})
    settings = _resolve_arm(full, base)
    if settings.plan.steps == settings.call[STEPS]:
        return steps
    pipeline, grids = settings.preset.pipeline, range(steps, settings.call[STEPS] + 1)
    taken = (steps_taken(pipeline, settings.call | {STEPS: grid}) for grid in grids)
    return next(grid for grid, left in zip(grids, taken, strict=True) if left >= steps)


def _resolve_arm(spec: ArmSpec, base: Request) -> Settings:
    algo = cast(Algo, "sequential" if spec.on_one_core else spec.algo)
    if spec.on_one_core:
        base = replace(base, cores=None)
    try:
        preset = _preset(spec, base)
        _check_kind(preset, base)
        return resolve(replace(base, algo=algo, **spec.given), preset=preset)
    except UsageError as error:
        raise ArmError(spec, error) from error


def _preset(spec: ArmSpec, base: Request) -> Preset:
    """Returns an arm's model, with its sampler and its cache."""
    preset = find_model(model_or_default(spec.given.get("model", base.model), base.kind))
    preset = preset.starting_from([role for role, _ in base.files])
    preset = preset_with_cache(preset, spec.cache)
    return preset if spec.scheduler is None else preset_with_sampler(preset, spec.scheduler)


def _check_kind(preset: Preset, base: Request) -> None:
    """Refuses a preset that makes videos where pictures are compared, or the other way round."""
    if preset.kind != base.kind:
        raise UsageError(
            f"{preset.name} makes {preset.kind}s, but what is compared are {base.kind}s",
            f"name a preset that makes {base.kind}s",
        )
