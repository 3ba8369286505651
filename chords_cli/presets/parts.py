"""What a preset says of its scheduler, its components, their quantization and a step cache.

These keys name classes and arguments of diffusers; that diffusers has them is checked elsewhere.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from chords_cli.pipelines.load.spec import CacheName, Dtype
from chords_cli.presets.call import Part, check_scalar


def _check_text(value: str) -> str:
    """Checks that text is not blank; returns it."""
    if not value.strip():
        raise ValueError("text that is not empty")
    return value


Text = Annotated[str, AfterValidator(_check_text)]
Scalar = Annotated[Any, PlainValidator(check_scalar)]
Items = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)


class Scheduler(Part):
    """A scheduler that replaces the repository's own.

    Attributes:
        cls: A scheduler class of diffusers; `class` in YAML.
        from_config: Whether it starts from the configuration of the repository's scheduler.
        args: Settings that are changed in that configuration.
        first_order: Whether a multistep scheduler takes Euler steps on its own grid.
    """

    cls: Annotated[str, Field(pattern=r"^[A-Z]\w*$")] = Field(
        alias="class",
        description="the name of a scheduler class of diffusers",
        examples=["FlowMatchEulerDiscreteScheduler"],
    )
    from_config: bool = Field(default=True, examples=[True])
    args: dict[str, Scalar] = Field(default={}, examples=["{shift: 3.0}"])
    first_order: bool = Field(default=False, examples=[True])


class Component(Part):
    """How one component of the pipeline is loaded.

    Attributes:
        dtype: If null, the preset's own.
        tiling: For a VAE: whether it decodes in tiles, which takes less memory.
        slicing: For a VAE: whether it decodes one picture of a batch at a time.
        offload: For a text encoder: whether it leaves the device after encoding; `auto` means
            where memory is short.
    """

    dtype: Dtype | None = Field(default=None, examples=["float32"])
    tiling: bool = Field(default=False, examples=[True])
    slicing: bool = Field(default=False, examples=[True])
    offload: Literal["never", "auto", "always"] = Field(default="auto", examples=["always"])


class Quantization(Part):
    """The arguments of diffusers' `PipelineQuantizationConfig`.

    Attributes:
        backend: One of diffusers' quantization backends.
        kwargs: The backend's own arguments.
        components: The components that are quantized; the denoisers if null.
    """

    backend: Text = Field(examples=["bitsandbytes_4bit"])
    kwargs: dict[str, Scalar] = Field(default={}, examples=["{load_in_4bit: true}"])
    components: Annotated[tuple[Text, ...], Items] | None = Field(
        default=None, examples=["[transformer]"]
    )


class Cache(Part):
    """A step cache of diffusers: what the model made in one step serves the next ones.

    Attributes:
        name: Which one.
        args: The parameters of its configuration in diffusers, where they are not its defaults.
    """

    name: CacheName = Field(examples=["first-block"])
    args: dict[str, Scalar] = Field(default={}, examples=["{threshold: 0.08}"])
