"""Makes the request that makes a picture again, from the picture's metadata (`--from-metadata`).

Fills a request with values from the picture's recipe wherever the user has given none, replaces the
preset's plan by the picture's, and refuses if the preset with that name has changed since.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import chords_cli
from chords_cli.engine.devices import devices_of
from chords_cli.errors import UsageError, verbatim
from chords_cli.media.latents import read_latent
from chords_cli.media.metadata import read_metadata
from chords_cli.models.inputs.strength import strength_of
from chords_cli.models.repositories import find_model
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.presets.call import SIZES, guidance_key, guidance_of
from chords_cli.presets.parts import Cache, Scheduler
from chords_cli.presets.schema import Preset, Sampling, Stop
from chords_cli.records.recipe import Document, PresetKey, Recipe
from chords_cli.runs.settings.finding import check_same, with_inputs
from chords_cli.runs.settings.options.option import PLAN, options_of
from chords_cli.runs.settings.options.request import CALL_OPTIONS, Request
from chords_cli.runs.settings.options.run_options import RunOptions

_SAMPLING = {
    *("prompts", "prompt_file", "from_metadata", "loras", "seed", "num"),
    *("all_cores", "guidance_split", "context", "save_latents", "resume"),
}
"""The options besides those of plan and call that say what is sampled, and what of it is kept."""

_DEFAULTS = {field.name: field.default for field in fields(Request)}

_PARTS: Mapping[PresetKey, type[Scheduler | Cache]] = {"scheduler": Scheduler, "cache": Cache}
"""The keys of a preset that a recipe has in full and that change no weights."""

_PICTURES = {".png", ".mp4", ".gif"}
"""Endings of the pictures and videos in a folder of results, which carry a recipe."""


def read_recipe(path: Path) -> Recipe:
    """Reads the recipe in a picture.

    Raises:
        UsageError: The file has no recipe, or this version does not understand it.
    """
    if path.is_dir():
        pictures = (inside for inside in sorted(path.glob("*")) if inside.suffix in _PICTURES)
        raise _not_a_picture(f"metadata file {verbatim(path)} is a folder", next(pictures, None))
    document = read_metadata(path)
    if "command" in document:
        what = "comparison" if document["command"] == "compare" else "run"
        message = f"{verbatim(path)} is the record of a {what}, not a picture of it"
        raise _not_a_picture(message, _first_picture(path.parent, document))
    try:
        recipe = Recipe.read(document)
    except ValidationError as error:
        key, *_ = *error.errors()[0]["loc"], "its text"
        raise _not_understood(path, key) from error
    try:
        _parts(recipe)
    except ValidationError as error:
        raise _not_understood(path, "model") from error
    return recipe


def with_latent(request: Request) -> Request:
    """Returns the request in which a file of `from_latent` is where the settings come from.

    Raises:
        UsageError: An option is given that decoding does nothing with.
    """
    if request.from_latent is None:
        return request
    for name, (_, option) in options_of(Request).items():
        samples = option.call or option.group == PLAN or name in _SAMPLING
        if samples and getattr(request, name) != _DEFAULTS[name]:
            raise UsageError(
                f"{{from_latent}} decodes what was sampled, and {name} is of no use for that",
                f"leave out {{{name}}}",
                {"from_latent": request.from_latent, name: None},
            )
    if request.from_latent.is_dir():
        latents = sorted(request.from_latent.glob("*.safetensors"))
        raise UsageError(
            f"latent file {verbatim(request.from_latent)} is a folder",
            "name one of its latents, as in {from_latent}"
            if latents
            else "it holds no latent; {save_latents} keeps them",
            {"from_latent": latents[0] if latents else None, "save_latents": True},
        )
    read_kept(request.from_latent)  # before its model is fetched, and by a dry run, too
    return replace(request, from_metadata=request.from_latent)


def read_kept(path: Path) -> tuple[str, tuple[int, ...], bytes]:
    """Reads a latent that was kept: its dtype, its shape and its bytes.

    Raises:
        UsageError: The file holds none, or is cut off.
    """
    try:
        return read_latent(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"latent {verbatim(path)} cannot be decoded: "
            f"{verbatim(getattr(error, 'strerror', None) or error)}",
            "name a .safetensors file that chords kept",
        ) from error


def with_recipe(request: Request, recipe: Recipe) -> Request:
    """Returns `request` with the recipe's values wherever it has none.

    Raises:
        UsageError: The preset is missing or has changed, or this machine does not have a device of
            the recipe's kind.
    """
    assert request.from_metadata is not None, "a recipe comes from a file"
    request = with_inputs(request, recipe.inputs or (), request.from_metadata)
    if request.from_latent:
        check_same(request, recipe.inputs or (), request.from_latent)
    model = _name_model(request, recipe) if request.model is None else request.model
    call = recipe.call
    named = _strength_argument(recipe)
    strength = call.get(named) if named else None
    arguments = call | {"guidance": guidance_of(call), "strength": strength}
    values: dict[str, Any] = {
        **{name: arguments.get(argument) for argument, name in CALL_OPTIONS.items()},
        **{
            name: getattr(recipe, name)
            for name, (_, option) in options_of(RunOptions).items()
            if option.pixels
        },
        "model": model,
        "prompts": () if request.prompt_file else (recipe.prompt,),
        "seed": recipe.seed,
        "devices": None if request.devices else _find_devices(recipe.device),
        "loras": tuple((lora.source, lora.scale) for lora in recipe.loras or ()),
    }
    if request.model is None:
        roles = [one.role for one in recipe.inputs or ()]
        _check_unchanged(find_model(model).starting_from(roles), recipe)
    missing = {key: value for key, value in values.items() if getattr(request, key) in (None, ())}
    return replace(request, **missing)


def with_parts(preset: Preset, recipe: Recipe | None, *, named: bool) -> Preset:
    """Returns `preset` with the picture's scheduler and step cache in place of its own.

    Args:
        preset: The preset to make the picture with.
        recipe: The picture's; None where no picture is made again.
        named: Whether the user asks for that preset as it is now. Then only that stays which an arm
            of a comparison set, and nothing if it is another model.
    """
    if recipe is None:
        return preset
    kept = recipe.arm_set if preset.name == recipe.preset else ()
    return preset.model_copy(
        update={key: part for key, part in _parts(recipe).items() if not named or key in kept}
    )


def with_sampling(preset: Preset, recipe: Recipe | None) -> Preset:
    """Returns `preset` with the picture's steps, plan and output in place of its own.

    Options can still change them. The sequential sampler always uses one core, which is no choice
    of the user's; so the preset's number of cores is kept, for the case that an option asks for
    another algorithm.
    """
    if recipe is None:
        return preset
    sequential = recipe.algo == "sequential"
    sampling = Sampling(
        algo=recipe.algo,
        cores=preset.sampling.cores if sequential else recipe.cores,
        init_t=recipe.init_t if recipe.algo == "chords" else "auto",
        rounds=recipe.planned_rounds or "auto",
        stop=preset.sampling.stop if sequential else Stop(index=recipe.output.index),
    )
    call = preset.call | {"num_inference_steps": recipe.steps}
    return preset.model_copy(update={"call": call, "sampling": sampling})


def _not_understood(path: Path, key: int | str) -> UsageError:
    return UsageError(
        f"the chords metadata of {path} cannot be used: {key} is missing or wrong",
        f"this is chords {chords_cli.__version__}; the file was made by another version",
    )


def _parts(recipe: Recipe) -> dict[PresetKey, Scheduler | Cache | None]:
    """Reads the parts of a preset that a recipe has in full; None where the preset had none."""
    model = recipe.model
    return {
        key: part.model_validate(model[key]) if key in model else None
        for key, part in _PARTS.items()
    }


def _first_picture(folder: Path, record: Document) -> Path | None:
    """Returns the first picture that the record of a run or a comparison lists, in its folder."""
    try:
        entry = record["prompts"][0] if "prompts" in record else record["takes"][0]["results"][0]
        return folder / Path(entry.get("output") or entry["picture"]).name
    except (LookupError, TypeError, AttributeError):
        return None


def _not_a_picture(message: str, picture: Path | None) -> UsageError:
    example = ", as in {from_metadata}" if picture else ""
    return UsageError(message, f"name one of its pictures{example}", {"from_metadata": picture})


def _name_model(request: Request, recipe: Recipe) -> str:
    """Returns the name by which the recipe's model is found."""
    try:
        find_model(recipe.preset)
        return recipe.preset
    except UsageError as error:
        if isinstance(repo := recipe.model.get("repo"), str):
            with suppress(UsageError):  # a repository that ran without a preset
                find_model(repo)
                return repo
        raise error.reworded(
            f"{verbatim(request.from_metadata)} was made with preset "
            f"{verbatim(repr(recipe.preset))}: {{message}}",
            "name its preset, as in {model}",
            {"model": "my-preset.yaml"},
        ) from error


def _check_unchanged(preset: Preset, recipe: Recipe) -> None:
    """Refuses a preset that has changed since the recipe was written."""
    now, then = preset.identity, recipe.model
    keys = sorted({*now, *then} - _PARTS.keys())
    changed = [key for key in keys if now.get(key) != then.get(key)]
    changed += [f"call.{key}" for key in _changed_arguments(preset.call, recipe)]
    if changed:
        raise UsageError(
            f"preset {preset.name} has changed since that picture was made: "
            f"{verbatim(', '.join(changed))}",
            "add {model} to use it as it is now",
            {"model": preset.name},
        )


def _strength_argument(recipe: Recipe) -> str | None:
    """Returns what the recipe's pipeline calls its strength; None if it has none."""
    with suppress(UsageError):  # a pipeline of another version of diffusers
        found = strength_of(str(recipe.model.get("pipeline")))
        return found.argument if found else None
    return None


def _changed_arguments(now: Arguments, recipe: Recipe) -> list[str]:
    """Returns the arguments that the preset now sets differently and that no option restores."""
    then = recipe.call
    options = {*CALL_OPTIONS, guidance_key(now), _strength_argument(recipe)}
    restored = {key for key in options if key in then}
    if recipe.inputs:  # which say the size where the call does not
        restored |= {*SIZES} - then.keys()
    keys = sorted({*now, *(then.keys() - options)} - restored)
    return [key for key in keys if key not in then or now.get(key) != then[key]]


def _find_devices(kind: str) -> str:
    """Finds this machine's devices of that kind."""
    if kind == "cpu":
        return kind
    devices = devices_of(kind)
    if not devices:
        raise UsageError(
            f"the picture was made on {kind}, which this machine does not have",
            "add {devices} to make a picture that is nearly the same",
            {"devices": "cpu"},
        )
    return ",".join(devices)
