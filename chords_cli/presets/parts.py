"""What a preset says of its scheduler, its components, adapters, quantization and a step cache.

These keys name classes and arguments of diffusers; that diffusers has them is checked elsewhere.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict

from chords_cli.pipelines.load.spec import CacheName, Dtype
from chords_cli.presets.call import Part, check_scalar
from chords_cli.presets.paths import from_user


def _check_text(value: str) -> str:
    """Checks that text is not blank; returns it."""
    if not value.strip():
        raise ValueError("text that is not empty")
    return value


Text = Annotated[str, AfterValidator(_check_text)]
Scalar = Annotated[Any, PlainValidator(check_scalar)]
Items = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Repo = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
Folder = Annotated[Path, Strict(False)]
Inside = Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]

REPO = "owner/name as on the Hugging Face hub"

PLACE = {"repo", "revision", "path", "subfolder"}
"""The keys of a part that say where it lies, if not where the rest of the model does."""


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


def find_from(folder: Path, path: Path) -> Path:
    """Returns a path of a preset's file that lies in `folder`; `~` is the home folder."""
    return (folder / from_user(path)).resolve()


class Elsewhere(Part):
    """Where something lies that is not in the model's own repository or folder.

    Attributes:
        repo: A repository of the hub.
        revision: Of that repository; its main branch if null.
        path: A folder, in the place of a repository; relative to the preset's file.
    """

    repo: Repo | None = Field(
        default=None, description=REPO, examples=["diffusers/controlnet-canny-sdxl-1.0"]
    )
    revision: Text | None = Field(default=None, examples=["main"])
    path: Folder | None = Field(default=None, examples=["weights/controlnet"])

    @property
    def elsewhere(self) -> bool:
        """Whether a repository or a folder is named."""
        return bool(self.repo or self.path)

    def in_folder(self, folder: Path) -> Self:
        """Returns it with its path found from `folder`."""
        path = self.path and find_from(folder, self.path)
        return self.model_copy(update={"path": path})

    def broken_rules(self, where: str) -> Iterator[str]:
        """Yields what its keys, valid one by one, may not be together."""
        if self.repo and self.path:
            yield f"give either {where}.repo or {where}.path"
        if self.revision and not self.repo:
            yield f"{where}.revision belongs to {where}.repo"


class Component(Elsewhere):
    """How one component of the pipeline is loaded.

    Attributes:
        subfolder: Its folder in the repository or folder that it has of its own.
        dtype: If null, the preset's own.
        tiling: For a VAE: whether it decodes in tiles, which takes less memory.
        slicing: For a VAE: whether it decodes one picture of a batch at a time.
        offload: For an encoder of text or pictures: whether it leaves the device after encoding;
            `auto` means where memory is short.
    """

    dtype: Dtype | None = Field(default=None, examples=["float32"])
    tiling: bool = Field(default=False, examples=[True])
    slicing: bool = Field(default=False, examples=[True])
    offload: Literal["never", "auto", "always"] = Field(default="auto", examples=["always"])
    subfolder: Inside | None = Field(
        default=None,
        description="a path inside the repository",
        examples=["models/image_encoder"],
    )

    @property
    def loaded(self) -> dict[str, Any]:
        """How it is loaded, wherever it lies."""
        return self.model_dump(exclude=PLACE)

    def broken_rules(self, where: str) -> Iterator[str]:
        """Yields what its keys, valid one by one, may not be together."""
        yield from super().broken_rules(where)
        if self.subfolder and not self.elsewhere:
            yield f"{where}.subfolder needs a repo or path of its own"


class Adapter(Elsewhere):
    """Weights of an IP-Adapter, which shows a picture to a model that was made for text alone.

    Attributes:
        file: The file of its weights.
        scale: How much it counts.
    """

    file: Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*\.safetensors$")] = Field(
        description="the path of a .safetensors file inside the repository",
        examples=["sdxl_models/ip-adapter_sdxl_vit-h.safetensors"],
    )
    scale: float = Field(default=1.0, examples=[0.6])

    def broken_rules(self, where: str) -> Iterator[str]:
        """Yields what its keys, valid one by one, may not be together."""
        yield from super().broken_rules(where)
        if not self.elsewhere:
            yield f"{where} needs a repo or path"


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
