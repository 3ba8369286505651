"""Writes the outputs of a sample as files, as soon as they are decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.events import Listener, OutputSaved
from chords_cli.media.files import write_file
from chords_cli.media.latents import latent_bytes
from chords_cli.media.metadata import KEY, file_texts
from chords_cli.runs.outputs.files import LATENT, endings, file_bytes
from chords_cli.runs.outputs.recipe import make_recipe, which_output
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.runs.settings.settings import Settings

if TYPE_CHECKING:
    from chords_cli.engine.pool import SampledOutput


@dataclass(frozen=True, slots=True)
class Saved:
    """The names of an output's files in the output folder.

    Attributes:
        path: The picture or video itself; None if the output is not kept.
        latent: The latent; None if it is not kept.
        extra: The other files of the output.
    """

    path: str | None = None
    latent: str | None = None
    extra: tuple[str, ...] = ()


class OutputSaver:
    """Writes the files of every decoded output of one sample.

    The result gets the sample's own name; the outputs that `--all-cores` keeps have longer names.

    Attributes:
        files: What was written, by the index of the output.
    """

    def __init__(
        self, settings: Settings, sample: PlannedSample, tell: Listener, *, replace: bool
    ) -> None:
        self._settings, self._sample, self._tell, self._replace = settings, sample, tell, replace
        self.files: dict[int, Saved] = {}

    def save(self, output: "SampledOutput") -> None:
        """Writes the files of `output`."""
        settings = self._settings
        which = () if output.chosen else (output.index, output.core)
        names = {ending: self._sample.name(ending, *which) for ending in endings(settings)}
        recipe = make_recipe(settings, self._sample, which_output(output))
        for ending, name in reversed(names.items()):  # the result last: if it exists, all files do
            data = file_bytes(ending, output, settings, recipe)
            write_file(settings.output / name, data, replace=self._replace)
        latent = names.pop(LATENT, None)
        path, *extra = names.values()
        self.files[output.index] = Saved(path, latent, tuple(extra))
        self._tell(
            OutputSaved(
                index=output.index,
                path=str(settings.output / path),
                number=self._sample.number,
            )
        )


def keep_latent(settings: Settings, sample: PlannedSample, output: "SampledOutput") -> Path:
    """Writes the latent of an output whose picture could not be made, with how it was made."""
    recipe = make_recipe(settings, sample, which_output(output))
    path = settings.output / sample.name(LATENT)
    texts = {KEY: file_texts(recipe.document())[KEY]}
    write_file(path, latent_bytes(output.latent, texts), replace=True)
    return path


def planned_names(settings: Settings, sample: PlannedSample) -> tuple[str, ...]:
    """Returns the names of all files that `sample` may write, the result first.

    Until the residuals are known, any output may be the result and get the sample's own name.
    """
    which: list[tuple[int, ...]] = [()]
    if settings.all_cores:
        hits = (hit for hit in settings.plan.hits if hit.index != settings.stop.fixed)
        which += [(hit.index, hit.core) for hit in hits]
    return tuple(sample.name(ending, *output) for output in which for ending in endings(settings))
