"""Checks whether a preset fits its model, without loading it.

How much can be checked depends on what is on this machine: the source of the installed diffusers
says what a pipeline takes, and the repository, once it has been fetched, which components it has.
"""

import json
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError, check_all
from chords_cli.hub import find_snapshot
from chords_cli.hub.repository import INDEX, components
from chords_cli.models.counterparts import with_sampler
from chords_cli.models.denoisers.caches import check_cache
from chords_cli.models.denoisers.checks import check_denoisers
from chords_cli.models.diffusers_source import FRAMES, PipelineClass, read_pipeline
from chords_cli.models.elsewhere.checks import check_elsewhere
from chords_cli.models.elsewhere.sources import held_parts
from chords_cli.models.inputs.packages import check_packages
from chords_cli.models.parts import check_parts, read_config
from chords_cli.models.quantization import check_method
from chords_cli.models.schedulers import check_linear, check_scheduler
from chords_cli.models.weights import SAVE_FIRST, download_command, own_folder
from chords_cli.pipelines.load.spec import DENOISERS, OFFLOADED, Index
from chords_cli.pipelines.loops import check_loop, check_loop_arguments, check_turned_off
from chords_cli.pipelines.rules import (
    check_components,
    check_step_arguments,
    check_true_guidance,
    did_you_mean,
)
from chords_cli.presets.call import STEPS
from chords_cli.presets.schema import Preset

_TRUE = "true_cfg_scale"
_TOLD, _GUIDED = "guidance_scale", "guidance_embeds"
"""The argument that tells some models their guidance, and the setting of those that were trained
for it; pipelines that read this setting use the argument for nothing else."""

_NUMBERS = {"int", "float", "bool"}


def check_model(
    preset: Preset,
    call: Mapping[str, Any],
    options: Mapping[str, str] | None = None,
) -> None:
    """Checks that a preset fits its model, as far as that is known before the model is loaded.

    A repository of the hub may not have been fetched yet; its content is checked afterwards.

    Args:
        preset: The model and its settings.
        call: The preset's arguments of the pipeline's call, changed by the options.
        options: Maps an argument of the call to the option that sets it.

    Raises:
        UsageError: The preset's folder holds no complete model, or the preset names something that
            the model does not have, or the pipeline cannot run with these settings or packages.
    """
    folder, pipeline = _find_folder(preset), check_pipeline(preset)
    index = None if folder is None else _read_index(preset, folder)
    if pipeline is not None and index is not None:
        _check_parts(preset, pipeline, index)
    steps = None if {"sigmas", "timesteps"} & call.keys() else call[STEPS]
    check_scheduler(preset, folder, index or {}, steps, pipeline)
    parts = {} if index is None or folder is None else held_parts(preset, folder, index)
    takes = list(pipeline.components if pipeline else parts)
    check_elsewhere(preset, pipeline, parts or None)
    if known := list(components(index)) if index else takes:
        _check_components(preset, [*known, *preset.from_elsewhere.intersection(takes)])
    if pipeline is not None:
        _check_call(preset, call, pipeline, options or {})
        check_turned_off(pipeline.name, {**pipeline.defaults, **call}, known)
        _check_guidance(preset, call, pipeline, folder)
        check_packages(pipeline, components(index or {}))
    check_denoisers(preset, find_denoiser_classes(preset))
    if folder is not None:
        check_parts(preset, {name: parts[name] for name in parts if name in takes})


def check_pipeline(preset: Preset) -> PipelineClass | None:
    """Returns the pipeline of a preset if cores can share its loop; None without its source.

    Raises:
        UsageError: They cannot, or diffusers has no such pipeline.
    """
    found = read_pipeline(preset.pipeline)
    if found is not None:
        named, arguments, components = found.named, found.arguments, found.components
        check_loop(found.name, named=named, arguments=arguments, components=components)
    return found


def check_algo(preset: Preset, algo: str, call: Mapping[str, Any]) -> None:
    """Accepts a model that passed `check_model` for an algorithm.

    Raises:
        UsageError: The algorithm needs linear steps, and its scheduler clips what the model makes;
            or the preset's cache is wrong for the algorithm, the model or the call.
    """
    folder = _find_folder(preset)
    index = {} if folder is None else _read_index(preset, folder)
    if algo == "wavefront":
        check_linear(preset, folder, index)
    check_cache(preset, call, index, algo)


def preset_with_sampler(preset: Preset, sampler: str) -> Preset:
    """Returns the preset with one of `SAMPLERS` in the place of its scheduler.

    Raises:
        NoCounterpartError: The model's scheduler has no counterpart in that sampler.
    """
    folder = _find_folder(preset)
    index = {} if folder is None else _read_index(preset, folder)
    return with_sampler(preset, folder, index, read_pipeline(preset.pipeline), sampler)


def find_denoisers(preset: Preset) -> frozenset[str] | None:
    """Returns the denoisers that a model has; None as long as it is not on this machine."""
    folder = _find_folder(preset)
    if folder is None:
        return None
    return frozenset(DENOISERS) & components(_read_index(preset, folder)).keys()


def find_denoiser_classes(preset: Preset) -> tuple[str, ...]:
    """Returns the classes of a model's denoisers, or which of them its pipeline takes."""
    folder, pipeline = _find_folder(preset), read_pipeline(preset.pipeline)
    if folder is not None:
        parts = components(_read_index(preset, folder))
        return tuple(cls for name, (_, cls) in parts.items() if name in DENOISERS)
    taken = (pipeline.types.get(name, frozenset()) for name in DENOISERS) if pipeline else ()
    return tuple(sorted({cls for names in taken for cls in names if cls.endswith("Model")}))


def _find_folder(preset: Preset) -> Path | None:
    """Finds the folder of the model; None while its model_index.json is not on this machine."""
    if preset.path is not None:
        return own_folder(preset)
    folder = find_snapshot(str(preset.repo), preset.revision).folder
    return folder if folder is not None and (folder / INDEX).is_file() else None


def _read_index(preset: Preset, folder: Path) -> Index:
    try:
        index = _read_json(folder / INDEX)
        components(index)
    except (OSError, ValueError, AttributeError, IndexError) as error:
        hint = SAVE_FIRST if preset.path else f"fetch it again: {download_command(preset)}"
        raise UsageError(f"{folder / INDEX} cannot be read ({error})", hint) from error
    return index


def _read_json(file: Path) -> Index:
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _check_parts(preset: Preset, pipeline: PipelineClass, index: Index) -> None:
    """Refuses a pipeline that needs components which the model does not have.

    It is no error in itself if the model was saved from another pipeline: several pipelines consist
    of the same components. The class of the denoiser shows whether they really are the same.
    """
    present = components(index).keys() | preset.from_elsewhere
    saved_as = str(index.get("_class_name", preset.pipeline))
    required = [name for name, needed in pipeline.components.items() if needed]
    missing = [name for name in required if name not in present]
    hint = f"write `pipeline: {saved_as}` in the preset, or name a model that was made for this one"
    if missing:
        raise UsageError(
            f"{pipeline.name} needs {', '.join(missing)}, which {preset.source} has not", hint
        )
    try:
        made_for = read_pipeline(saved_as) or pipeline
    except UsageError:  # a pipeline of another version of diffusers
        return
    for name in DENOISERS:
        wanted, held = pipeline.types.get(name), made_for.types.get(name)
        if wanted and held and not wanted & held:
            raise UsageError(
                f"{pipeline.name} needs a {' or '.join(sorted(wanted))} as its {name}, but "
                f"{preset.source} was made for {saved_as}",
                hint,
            )


def _check_components(preset: Preset, known: Collection[str]) -> None:
    """Refuses components that the model does not have, and an offload that would do nothing."""
    quantized = (preset.quantization and preset.quantization.components) or ()
    sections: dict[str, Collection[str]] = {
        "components": preset.components,
        "parameters": preset.parameters,
        "quantization.components": quantized,
    }
    for section, names in sections.items():
        check_components(section, names, preset.pipeline, known)
    if preset.quantization:
        method = preset.quantization.backend
        what = f"quantization.backend is {method}"
        check_method(method, what, "remove `quantization` from the preset")
    for name, options in preset.components.items():
        if options.offload == "always" and not name.startswith(OFFLOADED):
            raise UsageError(
                f"components.{name}.offload is always, but only text and image encoders leave "
                "their device",
                f"remove offload from the preset's components.{name}",
            )


def _check_call(
    preset: Preset, call: Mapping[str, Any], pipeline: PipelineClass, options: Mapping[str, str]
) -> None:
    """Refuses a call that the pipeline would refuse once it is loaded.

    Raises:
        UsageError: An argument is unknown, missing, of the wrong type, makes steps draw noise or
            leaves some out, or the pipeline makes pictures where the preset says videos, or the
            other way round.
    """
    check_all(
        *(partial(_check_argument, preset, name, call, pipeline, options) for name in call),
    )
    needed = [name for name, needed in pipeline.arguments.items() if needed]
    missing = [name for name in needed if name not in ("prompt", *call)]
    if missing:
        raise UsageError(
            f"{pipeline.name} needs {' and '.join(missing)} beside the prompt",
            "name a pipeline that needs a prompt alone, or add it to the preset's call",
        )
    frames = next(iter(sorted(FRAMES & pipeline.arguments.keys())), None)
    if frames or preset.kind == "image" or "video" not in pipeline.arguments:
        preset.check_kind(pipeline.name, frames, call.get(frames or ""))


def _check_argument(
    preset: Preset,
    name: str,
    call: Mapping[str, Any],
    pipeline: PipelineClass,
    options: Mapping[str, str],
) -> None:
    """Refuses an argument that is unknown, of the wrong type, or no good for cores."""
    if name not in pipeline.arguments:
        raise _unknown_argument(preset, name, pipeline, options.get(name, name))
    alone = {name: call[name]}
    _check_number(name, call[name], pipeline.types[name])
    check_step_arguments(alone)
    check_loop_arguments(alone | {STEPS: call[STEPS]})


def _check_guidance(
    preset: Preset, call: Mapping[str, Any], pipeline: PipelineClass, folder: Path | None
) -> None:
    """Refuses a guidance that would change nothing."""
    if "has_neg_prompt" in pipeline.named:
        default = pipeline.defaults.get(_TRUE, 1.0)
        chosen = call.get(_TRUE) != preset.call.get(_TRUE)
        check_true_guidance(pipeline.name, call, default, chosen=chosen)
    told = call.get(_TOLD)
    if folder is None or told == preset.call.get(_TOLD) or _GUIDED not in pipeline.named:
        return
    if read_config(folder / DENOISERS[0]).get(_GUIDED) is False:
        raise UsageError(
            f"guidance is {told:g}, but {preset.name} was not trained to be told one",
            "leave out {guidance}",
            {"guidance": None},
        )


def _unknown_argument(
    preset: Preset, name: str, pipeline: PipelineClass, option: str
) -> UsageError:
    """Returns the error for an argument of a preset or an option that does not exist."""
    if name not in preset.call:
        return UsageError(
            f"{pipeline.name} takes no {name}", f"leave out {{{option}}}", {option: None}
        )
    near = did_you_mean(name, pipeline.arguments).strip()
    return UsageError(
        f"call.{name} is not an argument of {pipeline.name}",
        near or f"remove {name} from the preset's call",
    )


def _check_number(name: str, value: Any, types: frozenset[str]) -> None:
    """Refuses text and lists for an argument that the pipeline annotates as a number."""
    wanted = types - {"None", "Optional", "Union"}
    if not wanted or wanted - _NUMBERS or not isinstance(value, str | list):
        return
    kind = "true or false" if wanted == {"bool"} else "a number"
    raise UsageError(
        f"call.{name} is {value!r}, but must be {kind}", "correct it in the preset's call"
    )
