"""Checks that what a model takes from elsewhere fits it, without loading it."""

from collections.abc import Collection, Mapping
from pathlib import Path

from chords_cli.errors import UsageError, either
from chords_cli.media.latents import read_header
from chords_cli.models.diffusers_source import PipelineClass
from chords_cli.models.elsewhere.sources import adapter_files, parts_elsewhere
from chords_cli.pipelines.load.spec import DENOISERS, PartSpec
from chords_cli.presets.schema import Preset

SHOWN = "ip_adapter_image"
"""The argument by which pipelines take the picture that IP-Adapters show to a model."""

_ENCODER = "image_encoder"
_HALVES = ("image_proj.", "ip_adapter.")
"""What the names of an IP-Adapter's tensors begin with."""


def check_elsewhere(
    preset: Preset, pipeline: PipelineClass | None, held: Collection[str] | None
) -> None:
    """Accepts components and adapters from elsewhere, as far as they are here.

    Args:
        preset: The model.
        pipeline: Its class; None if its source cannot be read.
        held: The components that are here; None as long as the model is not.

    Raises:
        UsageError: The pipeline takes no such component or no adapter, or a file is none.
    """
    if pipeline is not None:
        _check_classes(pipeline, parts_elsewhere(preset), preset)
    _check_quantization(preset)
    if preset.adapters:
        _check_adapters(preset, pipeline, held)


def _check_classes(pipeline: PipelineClass, parts: Mapping[str, PartSpec], preset: Preset) -> None:
    """Refuses a component of a class that the pipeline does not name."""
    for name, part in parts.items():
        wanted = {cls for cls in pipeline.types.get(name, ()) if cls[:1].isupper()}
        if wanted and part.cls not in wanted and not part.cls.startswith("Autoencoder"):
            raise UsageError(
                f"{pipeline.name} takes a {either(sorted(wanted))} as its {name}, but "
                f"{preset.source_of(name)} holds a {part.cls}",
                f"name another repository in the preset's components.{name}",
            )


def _check_quantization(preset: Preset) -> None:
    """Refuses to quantize what does not come with the pipeline."""
    if preset.quantization is None:
        return
    named = preset.quantization.components or DENOISERS
    for name in sorted(preset.from_elsewhere.intersection(named)):
        raise UsageError(
            f"components.{name} comes from {preset.source_of(name)}, and only what comes with the "
            "model can be quantized",
            "name other components in the preset's quantization.components",
        )


def _check_adapters(
    preset: Preset, pipeline: PipelineClass | None, held: Collection[str] | None
) -> None:
    if pipeline is not None and SHOWN not in pipeline.arguments:
        raise UsageError(
            f"{pipeline.name} takes no IP-Adapter", "remove `adapters` from the preset"
        )
    if held is not None and _ENCODER not in {*held, *preset.from_elsewhere}:
        raise UsageError(
            f"adapters need an {_ENCODER} to see a picture with, and {preset.source} has none",
            "add one to the preset, as in components: "
            f"{{{_ENCODER}: {{repo: h94/IP-Adapter, subfolder: models/{_ENCODER}}}}}",
        )
    for file, _ in adapter_files(preset):
        try:
            names = read_header(Path(file)).keys()
        except (OSError, ValueError) as error:
            raise UsageError(f"adapter {file} cannot be read: {error}", "fetch it again") from error
        if not all(any(name.startswith(half) for name in names) for half in _HALVES):
            raise UsageError(
                f"adapter {file} is no IP-Adapter: it lacks tensors {' or '.join(_HALVES)}...",
                "name another file in the preset's adapters",
            )
