"""The `Recipe` that every picture and video carries, so that the same can be made again.

Also what all records share: their base class, and how a file of an earlier version is read.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationInfo

from chords_cli.sampler.choice import Algo

SCHEMA: Final = 2
"""The version of the format of recipes and of `run.json`. In 1 `planned_rounds` was `rounds`."""


Document = dict[str, Any]
"""Plain JSON."""


class Record(BaseModel):
    """A part of a JSON document; a field with a default that was not set is left out of it."""

    model_config = ConfigDict(frozen=True, strict=True, populate_by_name=True)

    def document(self) -> Document:
        """Returns the record as plain JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @classmethod
    def read(cls, document: object) -> Self:
        """Reads plain JSON and checks its types.

        Raises:
            ValidationError: A key is missing or wrong (pydantic's error, which is a `ValueError`).
        """
        return cls.model_validate_json(json.dumps(document))


class Output(Record):
    """Says which output of its run a file holds; equal in all runs with the same settings.

    Attributes:
        width: The width of what was made, as `height` and `frames` are its own: a pipeline may
            round what its call asks for. None in files of earlier versions.
    """

    index: Annotated[int, Field(ge=0)]
    core: int | None = None
    round: int | None = None
    residual: float | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None


class Lora(Record):
    """A LoRA, named as the user named it, and its scale."""

    source: str
    scale: float


class InputRecord(Record):
    """A file that a run started from: its role, its name without folders, and its hash."""

    role: str
    name: str
    sha256: str


class StopRecord(Record):
    """The stop rule with the value that its criterion uses."""

    criterion: Literal["core_index", "residual"]
    index: int | None = None
    residual: float | None = None


class KnownArguments(Record):
    """The arguments of a pipeline's call that an option sets."""

    num_inference_steps: int
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    guidance_scale: float | None = None
    true_cfg_scale: float | None = None
    negative_prompt: str | None = None
    strength: float | None = None


def _check_call(call: Document, border: ValidationInfo) -> Document:
    """Checks the types of a call that was read; one that we write was checked with the preset."""
    if border.mode == "json":
        KnownArguments.model_validate(call)
    return call


PresetKey = Literal["scheduler", "cache"]
"""A key of a preset that an arm of a comparison may set."""

Call = Annotated[Document, AfterValidator(_check_call)]
"""The arguments of a pipeline's call, in the preset's order, without the prompt."""


class Pixels(Record):
    """The settings that determine the pixels and the frame rate.

    Prompt, seed and output index are not among them. Neither are versions of libraries: an update
    must not make finished work undone.

    Attributes:
        model: What identifies the model (`Preset.identity`).
        init_t: Empty for algorithms that have no starts.
        planned_rounds: The rounds in which the fastest core should arrive; None for algorithms that
            are not planned by rounds.
        inputs: The files that the run started from; their names determine no pixel.
        device: The kind of device of the first core, such as `cuda`.
        fps: None for images.
        guidance_split: Whether every core computed the halves of guidance on two devices; where a
            pipeline asks for both in one call, half a batch may round otherwise.
        context: Among how many devices of a core the tokens of a picture were shared, which may
            round otherwise, too.
    """

    model: Document
    dtype: str
    loras: tuple[Lora, ...] | None = None
    algo: Algo
    cores: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=1)]
    init_t: tuple[int, ...]
    planned_rounds: Annotated[
        int | None, Field(ge=1, validation_alias=AliasChoices("planned_rounds", "rounds"))
    ] = None
    stop: StopRecord
    device: str
    inputs: tuple[InputRecord, ...] | None = None
    call: Call
    fps: int | None = None
    guidance_split: bool = False
    context: Annotated[int, Field(ge=1)] = 1

    def pixels(self) -> Document:
        """Returns all of these settings, and nothing else, as plain JSON."""
        return self.model_dump(
            mode="json",
            include=set(Pixels.model_fields),
            exclude={"inputs": {"__all__": {"name"}}},
        )


class _Head(Record):
    """The first keys of a recipe; pydantic orders fields by the bases, beginning with the last."""

    schema_: Literal[1, 2] = Field(alias="schema")
    version: str
    preset: str


class Recipe(Pixels, _Head):
    """Everything that determines a picture or a video, as its file carries it.

    Attributes:
        arm_set: Those keys of the preset that an arm of a comparison set; `model` has its values.
    """

    prompt: str
    seed: int
    output: Output
    environment: Mapping[str, str | None]
    arm_set: tuple[PresetKey, ...] = ()
