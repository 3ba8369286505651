"""What a preset may contain: every key, its type and its range.

The schema is strict and closed: no value is converted, and an unknown key is an error. The hint of
an error shows the example of the field. Nothing here knows how files are found and read.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from chords_cli.errors import PlanError, UsageError
from chords_cli.pipelines.load.spec import Dtype
from chords_cli.presets.call import STEPS, Call, Limits, Part, true_guidance
from chords_cli.presets.inputs import Inputs, PipelineName, Variants, choose_variant
from chords_cli.presets.parts import (
    REPO,
    Adapter,
    Cache,
    Component,
    Elsewhere,
    Folder,
    Items,
    Quantization,
    Repo,
    Scalar,
    Scheduler,
    Text,
    find_from,
)
from chords_cli.presets.vocabulary import Vocabulary
from chords_cli.sampler.choice import DEFAULT_ALGO, Algo, DefaultPlan, Starts, parse_init_t
from chords_cli.sampler.stop import StopRule


def _parse_starts(value: Any) -> Starts:
    """Reads starts that are written as text or as a list."""
    if isinstance(value, str):
        try:
            return parse_init_t(value)
        except PlanError:
            value = None
    if isinstance(value, list | tuple) and all(type(start) is int for start in value):
        return tuple(value)
    raise ValueError("auto, starts such as 0-8-16-32, or a list of whole numbers")


VIDEO_PACE = {"fps": 16}
"""The keys that say how fast a video plays, for a model that has no preset to say so."""

_NOT_OF_THE_MODEL = {
    *("name", "title", "kind", "license", "limits", "memory", "parameters", "prompts"),
    *("call", "dtype", "fps", "guidance_split", "context", "sampling", "seed"),
    *("inputs", "variants", "vocabulary"),
}
"""Keys that determine no pixel, or whose final values are in a record anyway."""


class License(Part):
    """The licence of the weights; for `gated` repositories it has to be accepted on the hub."""

    name: Text = Field(examples=["MIT"])
    gated: bool = Field(default=False, examples=[False])
    url: Annotated[str, Field(pattern=r"^https://")] | None = Field(
        default=None,
        description="an https address",
        examples=["https://huggingface.co/black-forest-labs/FLUX.1-dev"],
    )


class Stop(Part):
    """Which output is the result (see `sampler.stop.StopRule`)."""

    criterion: Literal["core_index", "residual"] = Field(
        default="core_index", examples=["core_index"]
    )
    index: Annotated[int, Field(ge=0)] = Field(default=1, examples=[1])
    residual: Annotated[float, Field(gt=0)] | None = Field(default=None, examples=[0.05])


class Sampling(Part):
    """The default plan. Starts and rounds may both be given: each algorithm uses its own."""

    algo: Algo = Field(default=DEFAULT_ALGO, examples=[DEFAULT_ALGO])
    cores: Annotated[int, Field(ge=1)] = Field(default=4, examples=[4])
    init_t: Annotated[Starts, PlainValidator(_parse_starts)] = Field(
        default="auto", examples=["auto"]
    )
    rounds: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(default="auto", examples=[15])
    stop: Stop = Field(default=Stop(), examples=["{criterion: core_index, index: 1}"])

    @model_validator(mode="before")
    @classmethod
    def _choose_algo(cls, given: Any) -> Any:
        """Chooses the algorithm if none is given: starts mean chords, one core means sequential."""
        if not isinstance(given, dict) or "algo" in given:
            return given
        if given.get("init_t", "auto") != "auto":
            return given | {"algo": "chords"}
        return given | {"algo": "sequential"} if given.get("cores") == 1 else given


class Preset(Part):
    """One model, and how it runs unless options say otherwise."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,99}$")] = Field(
        description="at most 100 lower-case letters, digits, dots and dashes", examples=["my-flux"]
    )
    title: Text = Field(examples=["FLUX.1-dev"])
    kind: Literal["image", "video"] = Field(examples=["image"])
    repo: Repo | None = Field(
        default=None, description=REPO, examples=["black-forest-labs/FLUX.1-dev"]
    )
    path: Folder | None = Field(default=None, examples=["weights/my-flux"])
    revision: Text | None = Field(default=None, examples=["main"])
    variant: Annotated[str, Field(pattern=r"^\w+$")] | None = Field(
        default=None,
        description="the variant of the weights' files, as in model.fp16.safetensors",
        examples=["fp16"],
    )
    pipeline: PipelineName = Field(
        description="the name of a pipeline class of diffusers, ...Pipeline",
        examples=["FluxPipeline"],
    )
    dtype: Dtype = Field(default="bfloat16", examples=["bfloat16"])
    license: License = Field(
        default=License(name="not stated"), examples=["{name: MIT, gated: false}"]
    )
    call: Call = Field(examples=["{num_inference_steps: 50, guidance_scale: 3.5}"])
    inputs: Inputs = Field(default={}, examples=["{mask: {required: false}}"])
    variants: Variants = Field(default={}, examples=["{image: FluxImg2ImgPipeline}"])
    scheduler: Scheduler | None = Field(default=None, examples=["{class: EulerDiscreteScheduler}"])
    components: dict[str, Component] = Field(default={}, examples=["{vae: {tiling: true}}"])
    adapters: Annotated[tuple[Adapter, ...], Items] = Field(
        default=(), examples=["[{repo: h94/IP-Adapter, file: models/ip-adapter_sd15.safetensors}]"]
    )
    limits: Limits = Field(default=Limits(), examples=["{size_multiple: 16}"])
    guidance_split: bool = Field(default=False, examples=[True])
    context: Annotated[int, Field(ge=1)] = Field(default=1, examples=[2])
    fps: Annotated[int, Field(ge=1)] | None = Field(default=None, examples=[24])
    seed: Annotated[int, Field(ge=0, lt=2**64)] = Field(default=42, examples=[42])
    sampling: Sampling = Field(
        default=Sampling(), examples=["{algo: wavefront, cores: 4, rounds: auto}"]
    )
    parameters: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default={},
        description="billions of parameters by component",
        examples=["{transformer: 11.9, vae: 0.08}"],
    )
    quantization: Quantization | None = Field(
        default=None, examples=["{backend: torchao, kwargs: {quant_type: Int8WeightOnlyConfig}}"]
    )
    cache: Cache | None = Field(default=None, examples=["{name: first-block}"])
    compile: dict[str, Scalar] | None = Field(default=None, examples=["{fullgraph: true}"])
    attention: Annotated[str, Field(pattern=r"^\w+$")] | None = Field(
        default=None,
        description="the name of a way in which diffusers computes attention",
        examples=["flash"],
    )
    vocabulary: Vocabulary | None = Field(
        default=None, examples=["{draws: a circle in red or blue, words: a blue circle red}"]
    )
    prompts: Annotated[tuple[Text, ...], Items] = Field(default=(), examples=['["a red circle"]'])

    @property
    def steps(self) -> int:
        """The number of steps of the grid, T."""
        return int(self.call[STEPS])

    @property
    def plan(self) -> DefaultPlan:
        """The plan that runs unless options say otherwise."""
        sampling = self.sampling
        return DefaultPlan(
            steps=self.steps,
            cores=sampling.cores,
            algo=sampling.algo,
            init_t=sampling.init_t,
            rounds=None if sampling.rounds == "auto" else sampling.rounds,
            guidance=true_guidance(self.pipeline, self.call),
        )

    @property
    def stop(self) -> StopRule:
        """The output that is the result unless options say otherwise."""
        stop = self.sampling.stop
        return StopRule(stop.criterion, index=stop.index, residual=stop.residual)

    @property
    def source(self) -> str:
        """The place of the weights: a repository of the hub or a local folder."""
        return str(self.repo or self.path)

    def source_of(self, component: str) -> str:
        """Returns the place of a component's weights, which may be another one."""
        part = self.components.get(component)
        return str((part and (part.repo or part.path)) or self.source)

    @property
    def from_elsewhere(self) -> frozenset[str]:
        """The components that have a repository or a folder of their own."""
        return frozenset(name for name, part in self.components.items() if part.elsewhere)

    @property
    def identity(self) -> dict[str, Any]:
        """Which weights are loaded and how, without defaults.

        Offloading is left out, because it determines no pixel. Of local folders only the names are
        kept, because people take pictures to other machines.
        """
        model = self.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_OF_THE_MODEL
        )
        for part in model.get("components", {}).values():
            part.pop("offload", None)
        parts = {name: part for name, part in model.pop("components", {}).items() if part}
        model |= {"components": parts} if parts else {}
        for part in (model, *parts.values(), *model.get("adapters", ())):
            part |= {"path": Path(part["path"]).name} if "path" in part else {}
        return model

    def in_folder(self, folder: Path) -> "Preset":
        """Returns the preset with the folders that it names found from `folder`."""
        components = {name: part.in_folder(folder) for name, part in self.components.items()}
        adapters = tuple(adapter.in_folder(folder) for adapter in self.adapters)
        path = self.path and find_from(folder, self.path)
        return self.model_copy(
            update={"path": path, "components": components, "adapters": adapters}
        )

    def starting_from(self, roles: Collection[str]) -> "Preset":
        """Returns the preset with the pipeline that takes files of these roles."""
        variant = choose_variant(self.variants, roles)
        if variant is None:
            return self
        return self.model_copy(
            update={
                "pipeline": variant.pipeline,
                "call": self.call | variant.call,
                "inputs": self.inputs | variant.inputs,
            }
        )

    def check_rules(self) -> None:
        """Checks keys that are valid one by one, but may not be together.

        Raises:
            UsageError: They contradict each other; the message lists all rules that are broken.
        """
        stop, cores = self.sampling.stop, self.sampling.cores
        rules = (
            (bool(self.repo) == bool(self.path), "give either repo or path"),
            (bool(self.path and self.revision), "revision belongs to repo, not to path"),
            (self.kind == "video" and self.fps is None, "a video preset needs fps"),
            (self.kind == "image" and self.fps is not None, "fps is for video presets only"),
            (
                stop.criterion == "residual" and stop.residual is None,
                "sampling.stop.criterion residual needs sampling.stop.residual",
            ),
            (
                stop.index > cores,
                f"sampling.stop.index is {stop.index}, but sampling.cores {cores} makes outputs "
                f"0 to {cores}",
            ),
        )
        parts: dict[str, Elsewhere] = {
            **{f"components.{name}": part for name, part in self.components.items()},
            **{f"adapters[{place}]": part for place, part in enumerate(self.adapters)},
        }
        broken = [rule for is_broken, rule in rules if is_broken]
        broken += [rule for where, part in parts.items() for rule in part.broken_rules(where)]
        if broken:
            raise UsageError("; ".join(broken))

    def check_kind(self, pipeline: str, frames: str | None, count: Any) -> None:
        """Checks that a pipeline makes what the preset says.

        Args:
            pipeline: The class of the pipeline.
            frames: The argument of its call that is the number of frames; None if it has none.
            count: The value of that argument.

        Raises:
            UsageError: It makes pictures where videos are wanted, or more than one frame for one.
        """
        if self.kind == "video" and frames is None:
            raise UsageError(
                f"kind is video, but {pipeline} makes pictures",
                "write `kind: image`, without fps, in the preset",
            )
        if self.kind == "image" and frames is not None and count != 1:
            raise UsageError(
                f"kind is image, but {pipeline} makes videos",
                f"write `kind: video` and fps in the preset, or `{frames}: 1` in its call",
            )
