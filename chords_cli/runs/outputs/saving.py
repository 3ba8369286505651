"""Writes the outputs of a sample as files, as soon as they are decoded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chords_cli.events import Listener, OutputSaved
from chords_cli.media.files import write_file
from chords_cli.runs.outputs.files import LATENT, endings, file_bytes
from chords_cli.runs.outputs.recipe import document
from chords_cli.runs.settings.resolve import Settings
from chords_cli.runs.settings.samples import PlannedSample

if TYPE_CHECKING:
    from chords_cli.engine.pool import SampledOutput


@dataclass(frozen=True, slots=True)
class Saved:
    """The files of an output, by their names in the output folder.

    Attributes:
        path: The picture or video itself.
        latent: None where it is not kept.
        extra: What else stands beside it.
    """

    path: str
    latent: str | None
    extra: tuple[str, ...]


class OutputSaver:
    """Gives every decoded output of one sample its files.

    The result gets the sample's own name; the others, which `--all-cores` keeps, stand beside it.

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
        made = document(settings, self._sample, output_document(output))
        for ending, name in reversed(names.items()):  # the result is there when all is there
            data = file_bytes(ending, output, settings, made)
            write_file(settings.output / name, data, replace=self._replace)
        latent = names.pop(LATENT, None)
        path, *extra = names.values()
        self.files[output.index] = Saved(path, latent, tuple(extra))
        self._tell(OutputSaved(index=output.index, path=str(settings.output / path)))


def output_document(output: "SampledOutput") -> dict[str, Any]:
    """Which output of its run a file holds; the same in every run with the same settings."""
    return {
        "index": output.index,
        "core": output.core,
        "round": output.round,
        "residual": output.residual,
    }


def planned_names(settings: Settings, sample: PlannedSample) -> tuple[str, ...]:
    """The names of all files that `sample` may write, the result first.

    Until the residuals are known any output may be the result, and then has the sample's own name.
    """
    which: list[tuple[int, ...]] = [()]
    if settings.all_cores:
        hits = (hit for hit in settings.plan.hits if hit.index != settings.stop.fixed)
        which += [(hit.index, hit.core) for hit in hits]
    return tuple(sample.name(ending, *output) for output in which for ending in endings(settings))
