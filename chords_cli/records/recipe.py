"""A `Recipe`, which every picture and video carries: with it the same can be made again.

Also what all records share: their base, and how a file of an earlier version is read.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationInfo

from chords_cli.sampler.choice import Algo

SCHEMA: Final = 2
"""Of recipes and of `run.json`. In schema 1 the planned rounds were called `rounds`."""


Document = dict[str, Any]
"""Plain JSON."""


class Record(BaseModel):
    """A part of a document. A field that has a default and is not set is left out of it."""

    model_config = ConfigDict(frozen=True, strict=True, populate_by_name=True)

    def document(self) -> Document:
        """Returns it as plain JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @classmethod
    def read(cls, document: object) -> Self:
        """Reads plain JSON, checked for its types.

        Raises:
            ValidationError: A key is missing or wrong (pydantic's, a `ValueError`).
        """
        return cls.model_validate_json(json.dumps(document))


class Output(Record):
    """Which output of its run a file holds; the same in every run with the same settings."""

    index: Annotated[int, Field(ge=0)]
    core: int | None = None
    round: int | None = None
    residual: float | None = None


class Lora(Record):
    """A LoRA as it was named, and its scale."""

    source: str
    scale: float


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


def _check_call(call: Document, border: ValidationInfo) -> Document:
    """Checks the types of what was read; what we write was checked with the preset."""
    if border.mode == "json":
        KnownArguments.model_validate(call)
    return call


Call = Annotated[Document, AfterValidator(_check_call)]
"""The arguments of a pipeline's call, in the preset's order, without the prompt."""


class Pixels(Record):
    """The settings that determine the pixels and the frame rate.

    Prompt, seed and output index are not among them. Neither are versions of libraries: an update
    must not make finished work undone.

    Attributes:
        model: What identifies it (`Preset.identity`).
        init_t: Empty for algorithms that have none.
        planned_rounds: In which the fastest core was asked to arrive; None where nobody asked.
        device: The kind of the first core's.
        fps: None for images.
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
    call: Call
    fps: int | None = None

    def pixels(self) -> Document:
        """Returns these settings alone, each of them, as plain JSON."""
        return self.model_dump(mode="json", include=set(Pixels.model_fields))


class _Head(Record):
    """What a recipe begins with; fields come in the order of the bases, the last one first."""

    schema_: Literal[1, 2] = Field(alias="schema")
    version: str
    preset: str


class Recipe(Pixels, _Head):
    """What decides a picture or a video, as its file carries it."""

    prompt: str
    seed: int
    output: Output
    environment: Mapping[str, str | None]
