"""A picture or a video that stays in memory: what a call of `Chords` returns."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.errors import UsageError
from chords_cli.media.files import write_file
from chords_cli.runs.outputs.files import LATENT, file_bytes
from chords_cli.runs.outputs.recipe import make_recipe, which_output
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.runs.settings.settings import Settings
from chords_cli.runs.settings.words import words_note

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from chords_cli.engine.pool import SampledOutput

_ENDINGS = {"image": (".png", f".{LATENT}"), "video": (".mp4", ".gif", ".png", f".{LATENT}")}


@dataclass(frozen=True, slots=True)
class Output:
    """Says which of a run's outputs a sample is.

    Attributes:
        index: 0 for the preview, then 1, 2, ... in order of arrival; the last one is exact.
        core: The core that made it; core 0 takes the sampler's own steps.
        round: How many rounds were over when it arrived.
        residual: The RMS distance to the previous output in latent units; None for the first one.
        exact: Whether it is the sequential sampler's result, but for roundings where the devices of
            a core share its work.
    """

    index: int
    core: int
    round: int
    residual: float | None
    exact: bool


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A picture or a video.

    Attributes:
        prompt: What it shows.
        seed: The seed of its noise.
        output: Which output of its run it is.
        seconds: The time from the call until it was decoded.
        warnings: What was not made as asked for, and what libraries warned of.
        frames: uint8, shape (frames, height, width, 3); an image has one frame.
    """

    prompt: str
    seed: int
    output: Output
    seconds: float
    warnings: tuple[str, ...]
    frames: "np.ndarray" = field(repr=False)
    _sampled: "SampledOutput" = field(repr=False)
    _settings: Settings = field(repr=False)

    @property
    def image(self) -> "Image":
        """The picture, or a video's first frame, for Pillow."""
        from PIL import Image

        return Image.fromarray(self.frames[0], "RGB")

    @property
    def latent(self) -> "np.ndarray":
        """The latent as the pipeline's loop left it, in float32."""
        from chords_cli.engine.latents import as_array

        return as_array(self._sampled.latent)

    def save(self, path: str | Path) -> Path:
        """Writes a file with the same metadata as the command's; replaces an existing file.

        Args:
            path: Must end with .png or .safetensors, or for videos with .mp4 or .gif.

        Returns:
            The path of the file.

        Raises:
            ChordsError: The path has another ending, or the file cannot be written.
        """
        path, endings = Path(path), _ENDINGS[self._settings.preset.kind]
        if path.suffix not in endings:
            raise UsageError(
                f"{path} does not end with {' or '.join(endings)}",
                f"write {path.stem}{endings[0]}",
            )
        planned = PlannedSample(1, self.prompt, self.seed)
        recipe = make_recipe(self._settings, planned, which_output(self._sampled))
        data = file_bytes(path.suffix[1:], self._sampled, self._settings, recipe)
        write_file(path, data, replace=True)
        return path


def make_sample(settings: Settings, prompt: str, sampled: "SampledOutput", began: float) -> Sample:
    """Returns the sample of a decoded output, for a call that `began` then."""
    assert sampled.frames is not None, "outputs are passed on when they are decoded"
    output = Output(
        index=sampled.index,
        core=sampled.core,
        round=sampled.round,
        residual=sampled.residual,
        exact=sampled.core == 0 and sampled.index > 0 and settings.plan.visits_all(0),
    )
    return Sample(
        prompt=prompt,
        seed=settings.seed,
        output=output,
        seconds=time.monotonic() - began,
        warnings=(*filter(None, [words_note(settings)]), *sampled.warnings),
        frames=sampled.frames,
        _sampled=sampled,
        _settings=settings,
    )
