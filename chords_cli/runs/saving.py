"""Writes the outputs of a take as files, as soon as they are decoded, in order of their index."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chords_cli.events import Event, OutputSaved
from chords_cli.media.files import write_file
from chords_cli.media.images import png_bytes
from chords_cli.media.latents import latent_bytes
from chords_cli.media.metadata import KEY, file_texts
from chords_cli.runs.recipe import document
from chords_cli.runs.settings import Settings
from chords_cli.runs.takes import Take

if TYPE_CHECKING:
    from chords_cli.engine.pool import SampledOutput

PICTURE, LATENT = "png", "safetensors"


@dataclass(frozen=True, slots=True)
class Saved:
    """The files of an output, by their names in the output folder."""

    picture: str
    latent: str | None


class OutputSaver:
    """Takes the decoded outputs of one take and gives every one its files.

    The result, which the stop rule chooses, gets the take's own name, and the others, which
    `--all-cores` keeps, stand beside it. Which one is the result is known only in the order of
    the outputs, so one that is decoded early waits for those before it.
    """

    def __init__(
        self, settings: Settings, take: Take, tell: Callable[[Event], None], *, replace: bool
    ) -> None:
        self._settings, self._take, self._tell, self._replace = settings, take, tell, replace
        self._waiting: dict[int, SampledOutput] = {}
        self._chosen: int | None = None
        self.files: dict[int, Saved] = {}

    def take(self, output: "SampledOutput") -> None:
        """Writes `output`, and those that waited for it."""
        self._waiting[output.index] = output
        if not self._settings.all_cores:
            self._chosen = output.index
            self._save(self._waiting.pop(output.index))
        while (index := len(self.files)) in self._waiting:
            self._save(self._waiting.pop(index))

    def _save(self, output: "SampledOutput") -> None:
        settings, last = self._settings, self._settings.plan.hits[-1].index
        if self._chosen is None and settings.stop.accepts(output.index, output.residual, last):
            self._chosen = output.index
        which = () if self._chosen == output.index else (output.index, output.core)
        picture = self._take.name(PICTURE, *which)
        latent = self._take.name(LATENT, *which) if settings.save_latents else None
        made = document(settings, self._take, output_document(output))
        if latent:
            self._write_latent(latent, output, made)
        self._write_picture(picture, output, made)
        self.files[output.index] = Saved(picture, latent)
        self._tell(OutputSaved(index=output.index, path=str(settings.output / picture)))

    def _write_latent(self, name: str, output: "SampledOutput", made: dict[str, Any]) -> None:
        texts = {KEY: file_texts(made)[KEY]} if self._settings.metadata else {}
        data = latent_bytes(output.latent, texts)
        write_file(self._settings.output / name, data, replace=self._replace)

    def _write_picture(self, name: str, output: "SampledOutput", made: dict[str, Any]) -> None:
        assert output.frames is not None, "only decoded outputs are saved"
        data = png_bytes(output.frames[0], file_texts(made) if self._settings.metadata else {})
        write_file(self._settings.output / name, data, replace=self._replace)


def output_document(output: "SampledOutput") -> dict[str, Any]:
    """Which output of its run a file holds; the same in every run with the same settings."""
    return {
        "index": output.index,
        "core": output.core,
        "round": output.round,
        "residual": output.residual,
    }


def planned_names(settings: Settings, take: Take) -> tuple[str, ...]:
    """The names of all files that `take` may write, the result's picture first.

    Until the residuals are known any output may be the result, and then has the take's own name.
    """
    which: list[tuple[int, ...]] = [()]
    if settings.all_cores:
        fixed = settings.stop.index if settings.stop.criterion == "core_index" else None
        which += [(hit.index, hit.core) for hit in settings.plan.hits if hit.index != fixed]
    endings = (PICTURE, LATENT) if settings.save_latents else (PICTURE,)
    return tuple(take.name(ending, *output) for output in which for ending in endings)
