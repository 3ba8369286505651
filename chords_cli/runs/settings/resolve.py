"""Everything that a run needs to know, resolved and checked before anything slow starts.

An explicit option wins over the metadata of `--from-metadata`, that over the preset, and that over
the defaults here.
"""

import math
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chords_cli.engine.devices import checked_devices
from chords_cli.engine.start import DEFAULT_TIMEOUT, preload, requested_method
from chords_cli.errors import UsageError
from chords_cli.models.fit import check_model
from chords_cli.models.loras import check_loras
from chords_cli.pipelines.load.spec import DTYPES
from chords_cli.presets.call import guidance_key, guidance_of, guides, with_guidance
from chords_cli.presets.files import DEFAULT, available_presets, find_preset, load_preset
from chords_cli.presets.schema import Preset
from chords_cli.runs.settings.from_metadata import read_recipe, with_recipe, with_sampling
from chords_cli.runs.settings.output_folder import default_output
from chords_cli.runs.settings.placement import place
from chords_cli.runs.settings.prompts import resolve_prompts
from chords_cli.runs.settings.request import Request
from chords_cli.runs.settings.samples import PlannedSample, planned_samples
from chords_cli.sampler.choice import resolve_plan, resolve_stop
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule

MOST_TAKES = 100_000
"""Of one run; their names are made before it starts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """A run, in full.

    Attributes:
        plan: What is run: as far as `stop` needs where that is known, else to the last output.
        call: The arguments of the pipeline's call, without the prompt.
        devices: One entry a core.
        note: What to say of cores and devices before the run starts; None where that is nothing.
        fps: Of videos; None for images.
        overwrite: Whether files that are there already may be replaced.
        timeout: Seconds that a core waits for a neighbour.
    """

    preset: Preset
    prompts: tuple[str, ...]
    seed: int
    num: int
    plan: Plan
    stop: StopRule
    call: dict[str, Any]
    dtype: str
    loras: tuple[tuple[str, float], ...]
    devices: tuple[str, ...]
    note: str | None = field(compare=False)
    fps: int | None
    gif: bool
    output: Path
    all_cores: bool
    save_latents: bool
    metadata: bool
    resume: bool
    overwrite: bool
    timeout: float

    @property
    def samples(self) -> tuple[PlannedSample, ...]:
        """What the run makes, in order."""
        return planned_samples(self.prompts, self.num, self.seed)

    @property
    def decoders(self) -> frozenset[int]:
        """The cores that may be asked to decode an output."""
        return self.stop.decoders(self.plan, keep=self.all_cores)


def resolve(request: Request, *, starts: bool = False) -> Settings:
    """The settings of a run.

    Args:
        request: What the user asked for.
        starts: Whether to start importing what the workers need while the devices are found.

    Raises:
        UsageError: They contradict each other, are out of range, or name what is not there.
    """
    model = request.model
    recipe = None if request.from_metadata is None else read_recipe(request.from_metadata)
    if recipe is not None:
        request = with_recipe(request, recipe)
    if request.resume and request.output is None:
        raise UsageError(
            "--resume is given without --output", "name the folder of the earlier run with --output"
        )
    preset = _preset(request)
    _check_kind(request, preset, model)
    sampled = preset if recipe is None else with_sampling(preset, recipe)
    requested_method()  # refuses what CHORDS_START must not say
    plan, stop = _plan_and_stop(request, sampled)
    prompts = resolve_prompts(request.prompts, request.prompt_file, preset.prompts)
    num = _num(request.num, len(prompts))
    settings = Settings(
        preset=preset,
        prompts=prompts,
        num=num,
        seed=_seed(preset.seed if request.seed is None else request.seed, num),
        plan=plan,
        stop=stop,
        call=_call(request, preset),
        dtype=_dtype(request.dtype or preset.dtype),
        loras=check_loras(request.loras),
        fps=preset.fps if request.fps is None else _at_least_one("fps", request.fps),
        gif=request.gif,
        output=request.output or default_output(preset.name),
        all_cores=request.all_cores,
        save_latents=request.save_latents,
        metadata=request.metadata,
        resume=request.resume,
        overwrite=request.overwrite,
        timeout=_timeout(DEFAULT_TIMEOUT if request.timeout is None else request.timeout),
        devices=(),
        note=None,
    )
    check_model(preset, settings.call)
    available = _devices(request, preset, starts=starts)
    if recipe is None and request.cores is None and request.init_t in (None, "auto"):
        plan, stop = _at_most(len(available), request, sampled, plan, stop)
    placement = place(plan.cores, available, wished=settings.plan.cores, preset=preset.name)
    return replace(settings, plan=plan, stop=stop, devices=placement.devices, note=placement.note)


def _preset(request: Request) -> Preset:
    name = request.model or DEFAULT[request.kind]
    if request.model is None and all(name != file.name for file in available_presets()):
        others = [load_preset(file.file) for file in available_presets()]
        names = [other.name for other in others if other.kind == request.kind]
        raise UsageError(
            f"there is no built-in {request.kind} model",
            f"name one of {', '.join(names)}, as in chords {request.kind} --model {names[-1]}",
        )
    return find_preset(name)


def _source(request: Request, model: str | None) -> list[str]:
    """What was said of the model; `model` is None where only a picture's metadata names it."""
    words = [] if request.from_metadata is None else ["--from-metadata", str(request.from_metadata)]
    return words if model is None else [*words, "--model", model]


def _check_kind(request: Request, preset: Preset, model: str | None) -> None:
    if preset.kind != request.kind:
        raise UsageError(
            f"{preset.name} makes {preset.kind}s, but this is chords {request.kind}",
            f"type chords {preset.kind} {shlex.join(_source(request, model))}",
        )
    for name in ("frames", "fps"):
        value = getattr(request, name)
        if value is not None and preset.kind == "image":
            raise UsageError(
                f"{name} is {value}, but {preset.name} makes images", f"leave out --{name}"
            )


def _plan_and_stop(request: Request, preset: Preset) -> tuple[Plan, StopRule]:
    """The plan as far as it is run, and the stop rule.

    With every output wanted and no stop option said, the run goes on to core 0's arrival.
    """
    plan = resolve_plan(preset.plan, request.plan)
    stop = resolve_stop(
        preset.stop, plan.cores, stop_index=request.stop_index, stop_residual=request.stop_residual
    )
    if plan.algo == "sequential" and request.stop_residual is not None:
        raise UsageError(
            f"stop_residual is {request.stop_residual:g}, but algo sequential has its result at "
            "its last step",
            "use --algo wavefront, or leave out --stop-residual",
        )
    if plan.algo == "sequential" and request.stop_index is None:
        stop = StopRule("core_index", index=1)
    if stop.fixed is None or (request.all_cores and request.stop_index is None):
        return plan, stop
    return plan.until(stop.fixed), stop


def _at_most(
    cores: int, request: Request, preset: Preset, plan: Plan, stop: StopRule
) -> tuple[Plan, StopRule]:
    """The plan and its stop rule on no more than `cores` cores, one for each device."""
    if plan.cores <= cores:
        return plan, stop
    try:
        return _plan_and_stop(replace(request, cores=cores), preset)
    except UsageError as error:
        raise UsageError(
            f"{error.message}; there {'is 1 device' if cores == 1 else f'are {cores} devices'}",
            f"add --cores {plan.cores}: cores may share devices",
        ) from error


def _call(request: Request, preset: Preset) -> dict[str, Any]:
    """The preset's arguments of the pipeline's call, under the options that change them."""
    preset.limits.check(width=request.width, height=request.height, frames=request.frames)
    said = {
        "num_inference_steps": request.steps,
        "width": request.width,
        "height": request.height,
        "num_frames": request.frames,
        "negative_prompt": request.negative_prompt,
    }
    call = preset.call | {key: value for key, value in said.items() if value is not None}
    if request.guidance is not None:
        if guidance_key(preset.call) is None:
            raise UsageError(
                f"guidance is {request.guidance:g}, but {preset.name} takes none",
                "leave out --guidance",
            )
        call = with_guidance(call, request.guidance)
    if preset.kind == "video":
        _check_even(call)
    _check_negative_prompt(request, preset, call)
    return call


def _check_even(call: dict[str, Any]) -> None:
    """Refuses sizes that the colours of an MP4, shared by four pixels each, do not allow."""
    for name in ("width", "height"):
        size = call.get(name)
        if isinstance(size, int) and size % 2:
            raise UsageError(
                f"{name} is {size}, but a video has even sizes", f"try --{name} {size + 1}"
            )


def _check_negative_prompt(request: Request, preset: Preset, call: dict[str, Any]) -> None:
    """Refuses a guidance that is no number and a negative prompt that would do nothing."""
    guidance = guidance_of(call)
    if guidance is not None and not guides(guidance):
        raise UsageError(
            f"guidance is {guidance:g}, but must be finite and 0 or more", "try --guidance 3.5"
        )
    if not request.negative_prompt:
        return
    if not {"negative_prompt", "true_cfg_scale"} & preset.call.keys():
        raise UsageError(f"{preset.name} takes no negative prompt", "leave out --negative-prompt")
    if guidance is not None and guidance <= 1:
        raise UsageError(
            f"a negative prompt does nothing at guidance {guidance:g}",
            "raise --guidance above 1, or leave out --negative-prompt",
        )


def _dtype(name: str) -> str:
    if name not in DTYPES:
        raise UsageError(f"dtype {name!r} is not known", f"choose {', '.join(DTYPES)}")
    return name


def _num(num: int | None, prompts: int) -> int:
    """How many samples of each prompt."""
    num = 1 if num is None else _at_least_one("num", num)
    if num > 1 and num * prompts > MOST_TAKES:
        each = f" for each of {prompts} prompts" if prompts > 1 else ""
        raise UsageError(
            f"num is {num}{each}, but a run makes at most {MOST_TAKES}",
            f"use --num {max(1, MOST_TAKES // prompts)} or less",
        )
    return num


def _seed(seed: int, num: int) -> int:
    if not 0 <= seed < 2**64:
        raise UsageError(f"seed is {seed}, but must be from 0 to 2^64 - 1", "try --seed 42")
    if seed + num > 2**64:
        raise UsageError(
            f"seed is {seed} and num is {num}, but the last seed would be {seed + num - 1}, "
            "above 2^64 - 1",
            "try --seed 42",
        )
    return seed


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise UsageError(f"{name} is {value}, but must be at least 1", f"try --{name} 1")
    return value


def _timeout(seconds: float) -> float:
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(
            f"timeout is {seconds:g} seconds, but must be finite and above 0", "try --timeout 600"
        )
    return seconds


def _devices(request: Request, preset: Preset, *, starts: bool) -> tuple[str, ...]:
    """The devices to use; an empty name in `--devices` stays, for the engine to refuse."""
    said = request.devices
    names = () if said is None else tuple(name.strip() for name in said.split(","))
    if starts and set(names) != {"cpu"}:
        preload(preset.pipeline)
    return checked_devices(names)
