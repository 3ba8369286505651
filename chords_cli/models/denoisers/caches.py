"""Checks whether a model takes the step cache that a preset names, without loading it.

A cache is only right where diffusers says which call of the model is which, and on a core that
visits every step. What the call decides is filled into its parameters.
"""

from collections.abc import Mapping
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.hub.repository import components
from chords_cli.models.denoisers.source import (
    DenoiserClass,
    read_denoiser,
    read_parameters,
    registered_blocks,
)
from chords_cli.models.diffusers_source import PipelineClass, read_pipeline
from chords_cli.pipelines.load.spec import DENOISERS, TIMED_CACHES, Arguments, Index
from chords_cli.pipelines.rules import did_you_mean
from chords_cli.presets.call import true_guidance
from chords_cli.presets.parts import Cache
from chords_cli.presets.schema import Preset

_BY_CLASS = ("first-block", "mag")
"""The caches that know blocks by their classes."""

_FORMATS = {"CogVideoX": "BFCHW"}
"""How pipelines begin whose latents have other axes than is usual for their kind."""

_USUAL_FORMATS = {"image": "BCHW", "video": "BCFHW"}

_OTHER = "name another cache, or leave it out"

_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
}


def check_cache(preset: Preset, call: Mapping[str, Any], index: Index, algo: str) -> None:
    """Refuses a cache that the model does not take, or with which its results would be wrong.

    Args:
        preset: May name a cache.
        call: The arguments of the pipeline's call.
        index: The model's model_index.json; empty while that is not on this machine.
        algo: The algorithm.

    Raises:
        UsageError: It cannot work.
    """
    cache, pipeline = preset.cache, read_pipeline(preset.pipeline)
    if cache is None:
        return
    _check_parameters(cache)
    if algo != "sequential":
        raise UsageError(
            f"cache {cache.name} is only right on a core that visits every step, and algo {algo} "
            "skips some",
            "use {algo}, or leave the cache out",
            {"algo": "sequential"},
        )
    if preset.compile is not None:
        raise UsageError(
            f"cache {cache.name} and compile exclude each other: nobody could count what compiled "
            "blocks leave out",
            "remove one of them from the preset",
        )
    if pipeline is not None:
        _check_calls(cache, pipeline, call)
    names = [cls for name, (_, cls) in components(index).items() if name in DENOISERS]
    if cache.name == "mag" and len(names) > 1:
        raise UsageError(
            f"cache mag counts the steps of one denoiser, and {preset.name} has {len(names)}",
            _OTHER,
        )
    for denoiser in filter(None, map(read_denoiser, names)):
        _check_denoiser(cache, denoiser)


def cache_arguments(preset: Preset, call: Mapping[str, Any]) -> Arguments | None:
    """Returns a preset's cache as `{name, args}`, with what follows from the call; None without."""
    cache = preset.cache
    if cache is None:
        return None
    args: Arguments = {}
    if cache.name == "mag":
        args["num_inference_steps"] = call["num_inference_steps"]
    if cache.name == "faster":
        args["is_guidance_distilled"] = true_guidance(preset.pipeline, call) <= 1
        axes = (form for name, form in _FORMATS.items() if preset.pipeline.startswith(name))
        args["tensor_format"] = next(axes, _USUAL_FORMATS[preset.kind])
    return {"name": cache.name, "args": args | cache.args}


def _check_parameters(cache: Cache) -> None:
    known = read_parameters(cache.name)
    if known is None:
        return
    for key, value in cache.args.items():
        if key not in known:
            raise UsageError(
                f"cache {cache.name} has no parameter {key}",
                f"{did_you_mean(key, known)}it has {', '.join(known)}",
            )
        kind = known[key].removesuffix(" | None")
        truth = isinstance(value, bool) and kind in ("int", "float")
        if kind in _TYPES and (truth or not isinstance(value, _TYPES[kind])):
            raise UsageError(
                f"{key} of cache {cache.name} is {value!r}, but must be {_KINDS[kind]}",
                f"without {key} it has diffusers' default",
            )
    if cache.name == "mag" and not {"mag_ratios", "calibrate"} & cache.args.keys():
        raise UsageError(
            "cache mag needs mag_ratios, which every model has of its own",
            "write `calibrate: true` in its args once: that run tells them",
        )


def _check_calls(cache: Cache, pipeline: PipelineClass, call: Mapping[str, Any]) -> None:
    """Refuses a pipeline that does not tell a cache what it has to know, or confuses it."""
    timed = cache.name in TIMED_CACHES
    wanted = "_current_timestep" if timed else "cache_context"
    if wanted not in pipeline.named:
        what = "the timestep" if timed else "which call of its model is which"
        raise UsageError(
            f"cache {cache.name} has to be told {what}, which {pipeline.name} does not", _OTHER
        )
    guidance = true_guidance(pipeline.name, call)
    if timed and guidance > 1 and pipeline.evaluates > 1:
        raise UsageError(
            f"cache {cache.name} counts calls, and {pipeline.name} makes two a step at guidance "
            f"{guidance:g}: one would get the other's attention",
            "use first-block, which tells them apart, or {guidance}",
            {"guidance": 1.0},
        )
    if cache.name == "faster" and guidance > 1 and "_unpack_latents" in pipeline.named:
        raise UsageError(
            f"cache faster looks for frequencies in pictures, and {pipeline.name} hands its model "
            "tokens",
            "use first-block, or {guidance}",
            {"guidance": 1.0},
        )


def _check_denoiser(cache: Cache, denoiser: DenoiserClass) -> None:
    if not denoiser.cached:
        raise UsageError(f"diffusers has no step cache for {denoiser.name}", "leave the cache out")
    unknown = sorted(denoiser.blocks - registered_blocks())
    if cache.name in _BY_CLASS and (unknown or not denoiser.blocks):
        what = ", ".join(unknown) or "the blocks"
        raise UsageError(f"cache {cache.name} does not know {what} of {denoiser.name}", _OTHER)
    chosen = {"cache_identifiers", "skip_predict_identifiers", "use_lite_mode"} & cache.args.keys()
    if cache.name == "taylorseer" and not chosen and "attn" not in denoiser.attentions:
        held = " and ".join(sorted(denoiser.attentions)) or "none"
        raise UsageError(
            f"cache taylorseer looks for attn in every block, and {denoiser.name} has {held}",
            "say what to cache with its cache_identifiers, or name another cache",
        )
