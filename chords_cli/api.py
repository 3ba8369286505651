"""The Python API: a model that stays loaded on its cores, and the samples that they make.

It shares its functions with the command line, but keeps samples in memory instead of in a folder.
"""

import difflib
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from chords_cli.errors import ChordsError, PlanError, UsageError
from chords_cli.events import Listener, Warned
from chords_cli.models.repositories import find_model
from chords_cli.models.weights import model_folder
from chords_cli.presets.call import is_guided_twice
from chords_cli.presets.files import model_or_default
from chords_cli.presets.schema import Preset
from chords_cli.runs.generate.run import pool_settings
from chords_cli.runs.inputs.files import encode
from chords_cli.runs.settings.layouts.laying_out import as_asked
from chords_cli.runs.settings.layouts.layout import Layout
from chords_cli.runs.settings.options.call import resolve_call
from chords_cli.runs.settings.options.option import INPUTS, OUTPUT, PLAN, check_value, options_of
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.settings import Settings
from chords_cli.runs.settings.words import words_note
from chords_cli.sample import Sample, make_sample
from chords_cli.sampler.plan import Plan

if TYPE_CHECKING:
    from chords_cli.engine.pool import Pool

_LEFT_OUT = ("prompts", "prompt_file", "from_metadata", "from_latent", "num")
_OPTIONS = {
    name: declared
    for name, declared in options_of(Request).items()
    if declared[1].group != OUTPUT and name not in _LEFT_OUT
}
"""The options of a run, except those that choose files or list prompts."""

_PER_SAMPLE = {
    name for name, (_, option) in _OPTIONS.items() if option.call or option.group in (PLAN, INPUTS)
} | {"seed"}
"""The options that every sample may set for itself."""


class Chords:
    """A model on several cores; the cores start when a `with` block begins and end with it.

    Every core is a process with its own copy of the weights. A script needs
    `if __name__ == "__main__":` around its main part: processes may import it.

        with Chords("flux", cores=8) as chords:
            chords("a lighthouse in rain", seed=42).save("lighthouse.png")

    Args:
        model: The name of a preset, a preset file or a preset; the built-in image model if None.
        listener: Called with every event of the run (`chords_cli.events`).
        options: The options of `chords image` and `chords video` by name, such as `cores=4`,
            `devices="cuda:0,cuda:1"` or `loras=(("ink.safetensors", 0.8),)`.

    Raises:
        ChordsError: An option or the preset is wrong; `hint` says what to write instead.
    """

    def __init__(
        self,
        model: str | Path | Preset | None = None,
        *,
        listener: Listener | None = None,
        **options: Any,
    ) -> None:
        name = None if model is None else str(model)
        preset = model if isinstance(model, Preset) else find_model(model_or_default(name))
        self._preset = preset
        given = {name: _check_option(name, value) for name, value in options.items()}
        self._request = Request(kind=preset.kind, **given)
        request = replace(self._request, prompts=("-",))
        self._settings = resolve(request, preset=preset, complete=False)
        if (layout := self._settings.layout) is not None:  # all samples have the same processes
            self._request = replace(as_asked(self._request, layout), exact=False, rounds=None)
        self._listener = listener or (lambda event: None)
        self._told = set[str]()
        self._pool: Pool | None = None
        self._process = os.getpid()

    @property
    def plan(self) -> Plan:
        """The plan of a sample that sets no options itself."""
        return self._settings.plan

    @property
    def devices(self) -> tuple[str, ...]:
        """One device per core, by torch's names."""
        return self._settings.devices

    def __enter__(self) -> "Chords":
        """Starts the cores and loads the model.

        Raises:
            ChordsError: The model is not on this machine, does not fit the preset, or cannot load.
        """
        from chords_cli.engine.pool import Pool

        if self._pool is not None:
            raise ChordsError("the cores have started already", "use one `with` block at a time")
        settings = self._settings
        start = pool_settings(settings, model_folder(settings.preset))
        # a sample may start from a picture, and ask for any output
        model, all_cores = replace(start.model, sees=True), frozenset(range(settings.plan.cores))
        start = replace(start, model=model, decoders=all_cores)
        self._pool, self._process = Pool(start, self._listener).__enter__(), os.getpid()
        return self

    def __exit__(self, *exception: Any) -> None:
        """Ends the cores."""
        if self._pool is not None and self._process == os.getpid():
            self._pool.__exit__(*exception)
        self._pool = None

    def __call__(self, prompt: str, **options: Any) -> Sample:
        """Makes one sample.

        Args:
            prompt: What to show.
            options: `seed`, and options of the plan and of the pipeline's call, for this sample.

        Raises:
            ChordsError: An option is wrong, or a core failed.
        """
        settings, began = self._resolve(prompt, options), time.monotonic()
        samples: list[Sample] = []
        self._running_pool.sample(
            settings.plan,
            settings.arguments | {"prompt": prompt},
            settings.seed,
            settings.stop,
            on_output=lambda output: samples.append(make_sample(settings, prompt, output, began)),
        )
        return samples[-1]

    def outputs(self, prompt: str, **options: Any) -> Iterator[Sample]:
        """Makes one sample and yields its outputs in order, each once it is decoded.

        The preview comes first and the exact one last, unless `stop_index` ends the sample sooner.
        Leaving the loop ends the sampling.

        Args:
            prompt: What to show.
            options: The same as in a call.

        Raises:
            ChordsError: An option is wrong, or a core failed.
        """
        settings, began = self._resolve(prompt, options, all_outputs=True), time.monotonic()
        call, pool = settings.arguments | {"prompt": prompt}, self._running_pool
        for output in pool.outputs(settings.plan, call, settings.seed, settings.stop):
            yield make_sample(settings, prompt, output, began)

    @property
    def _running_pool(self) -> "Pool":
        if self._pool is None:
            raise ChordsError("the cores have not started", "write `with Chords(...) as chords:`")
        if self._process != os.getpid():
            raise ChordsError(
                "the cores belong to the process that this one was forked from",
                "make the sample there, or start cores in this process",
            )
        return self._pool

    def _resolved(self, request: Request, given: Collection[str]) -> Settings:
        """Resolves a request, with fewer cores where a strength leaves fewer steps than cores."""
        try:
            return resolve(request, preset=self._preset)
        except PlanError:
            if "cores" in given or request.strength is None:
                raise
        return resolve(replace(request, cores=None), preset=self._preset)

    def _resolve(
        self, prompt: str, options: dict[str, Any], *, all_outputs: bool = False
    ) -> Settings:
        """Resolves the settings of one sample; `all_outputs` keeps every output, not only one."""
        given = {name: _check_option(name, value) for name, value in options.items()}
        for name in given.keys() - _PER_SAMPLE:
            raise UsageError(f"{name} is the same for all samples", f"give {name} to Chords")
        given = {"rounds": None, **given} if given.get("speedup") else given
        given = {"speedup": None, **given} if given.get("rounds") else given
        given = {"cores": None, **given} if given.get("algo") == "sequential" else given
        check_value("the prompt", prompt, str)
        if layout := self._settings.layout:
            given = _as_laid_out(layout, given)
        request = replace(self._request, prompts=(prompt,), all_cores=all_outputs, **given)
        if layout and layout.split:
            _check_guided(request, self._preset)
        settings, available = self._resolved(request, given), self._settings.plan.cores
        _check_pipeline(self._settings.preset, settings.preset)
        if settings.plan.cores > available and "cores" not in given:
            settings = resolve(replace(request, cores=available), preset=self._preset)
        if settings.plan.cores > available:
            raise UsageError(
                f"cores is {settings.plan.cores}, but these Chords have {available}",
                "give {cores} to Chords instead",
                {"cores": settings.plan.cores},
            )
        if (unknown := words_note(settings)) and unknown not in self._told:
            self._told.add(unknown)
            self._listener(Warned(core=0, text=unknown))
        return settings


def _check_pipeline(loaded: Preset, wanted: Preset) -> None:
    """Refuses a sample for which another pipeline than the one that is loaded takes its files.

    Raises:
        UsageError: It is another.
    """
    if wanted.pipeline != loaded.pipeline:
        raise UsageError(
            f"this sample needs {wanted.pipeline}, but these Chords have loaded {loaded.pipeline}",
            "give files of the same roles to Chords, as in {image}; a sample may name others",
            {"image": "sketch.png"},
        )


def _as_laid_out(layout: Layout, given: dict[str, Any]) -> dict[str, Any]:
    """Returns the options of a sample, without what a layout said in place of the user."""
    if given.get("exact"):
        return {"algo": None, "cores": None, **given}
    if {"cores", "rounds", "speedup", "init_t"} & given.keys():
        return {"algo": None, **given}
    steps = given.get("steps") or 0
    return {"cores": steps, **given} if 0 < steps < layout.cores else given


def _check_guided(request: Request, preset: Preset) -> None:
    """Refuses a sample without guidance where a layout has given each half of it a device.

    Raises:
        UsageError: There is nothing to split.
    """
    if not is_guided_twice(preset.pipeline, resolve_call(request, preset)):
        raise UsageError(
            "this sample is not guided, but these Chords have a device for each half of guidance",
            "give {guidance_split} to Chords",
            {"guidance_split": False},
        )


def _check_option(name: str, value: Any) -> Any:
    """Checks an option's name and its value's type, and returns the value as a `Request` has it.

    Raises:
        UsageError: There is no such option, or the value has another type.
    """
    if name not in _OPTIONS:
        near = difflib.get_close_matches(name, _OPTIONS, n=1)
        choice = f"did you mean {near[0]}?" if near else f"choose from {', '.join(_OPTIONS)}"
        raise UsageError(f"{name} is not an option of Chords", choice)
    if name in ("devices", "init_t") and isinstance(value, list | tuple):
        value = ("," if name == "devices" else "-").join(map(str, value))
    elif _OPTIONS[name][1].group == INPUTS:
        value = _as_files(name, value)
    elif name == "loras" and isinstance(value, list | tuple):
        value = tuple(tuple(lora) if isinstance(lora, list) else lora for lora in value)
    return check_value(name, value, _OPTIONS[name][0])


def _as_files(name: str, value: Any) -> Any:
    """Returns paths as text and pictures of Pillow as if they were files.

    A single image is one of several.

    Raises:
        UsageError: It is something else.
    """
    if name == "strength" or value is None:
        return () if name == "image" else value
    if name == "image":
        images = value if isinstance(value, list | tuple) else (value,)
        return tuple(_as_file(name, image) for image in images)
    return _as_file(name, value)


def _as_file(name: str, value: Any) -> Any:
    if isinstance(value, PurePath | str):
        return str(value)
    from PIL import Image

    if isinstance(value, Image.Image):
        return encode(value, name)
    shown = f"an array of shape {value.shape}" if hasattr(value, "shape") else repr(value)
    raise UsageError(
        f"{name} is {shown}, but must be a path or a picture of Pillow",
        "Image.fromarray of PIL makes one of an array",
    )
