"""`chords download`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chords_cli.cli.options import accepts
from chords_cli.errors import UsageError
from chords_cli.ui.console import Console

if TYPE_CHECKING:
    from chords_cli.presets.schema import Preset
    from chords_cli.runs.download.run import DownloadRequest


@accepts(
    *("models", "all", "revision", "variant", "cache_dir", "force", "max_workers"),
    *("dry_run", "json", "quiet"),
)
def download(models: list[str] | None, json: bool, quiet: bool, **options: Any) -> None:
    """Fetch what a model needs, no more, into the Hugging Face cache; resume where it was cut.

    [bold]Examples[/bold]

    chords download

    chords download flux --dry-run

    chords download wan2-1 black-forest-labs/FLUX.1-schnell
    """
    console = Console("json" if json else "quiet" if quiet else "human")
    if not models and not options["all"]:
        _list_models(console, options["cache_dir"])
    else:
        request = _make_request(models or [], options)
        if options["dry_run"]:
            _show_dry_run(console, request)
        else:
            _show_download(console, request)


def fetch_missing(console: Console, presets: Iterable["Preset"]) -> None:
    """Fetches those models of a run that are not on this machine, each of them once.

    Raises:
        ChordsError: A model cannot be fetched.
    """
    from chords_cli.models.weights import find_weights
    from chords_cli.runs.download.run import DownloadRequest
    from chords_cli.runs.download.run import download as fetch
    from chords_cli.runs.download.targets import once, targets_of
    from chords_cli.ui.live.download import downloading

    lacking = [preset for preset in presets if find_weights(preset).state != "complete"]
    missing = once(
        target for preset in lacking for target in targets_of(preset, preset.name) if target.repo
    )
    if missing:
        with downloading(console) as listener:
            fetch(DownloadRequest(targets=missing), listener)


def _make_request(models: list[str], options: dict[str, Any]) -> "DownloadRequest":
    from chords_cli.runs.download.run import DownloadRequest
    from chords_cli.runs.download.targets import every_target, find_targets

    if models and options["all"]:
        raise UsageError("models are named and --all is given", "leave out one of them")
    workers = 8 if options["max_workers"] is None else options["max_workers"]
    if workers < 1:
        raise UsageError(f"max-workers is {workers}, but must be at least 1", "try --max-workers 8")
    which = (options["revision"], options["variant"])
    return DownloadRequest(
        targets=every_target(*which) if options["all"] else find_targets(models, *which),
        cache=options["cache_dir"],
        force=options["force"],
        max_workers=workers,
    )


def _list_models(console: Console, cache: Path | None) -> None:
    from chords_cli.records.download import CatalogueEntry, UnreadablePreset
    from chords_cli.runs.download.catalogue import catalogue
    from chords_cli.ui.views.download import models_table

    entries = catalogue(cache)
    if console.mode == "json":
        console.document([entry.document() for entry in entries])
    elif console.mode == "quiet":
        for entry in entries:
            console.line(entry.name)
    else:
        readable = [entry for entry in entries if isinstance(entry, CatalogueEntry)]
        console.show(models_table(readable, console.out.width))
        for entry in entries:
            if isinstance(entry, UnreadablePreset):
                console.error(entry.error)


def _show_dry_run(console: Console, request: "DownloadRequest") -> None:
    from chords_cli.runs.download.run import plan_download
    from chords_cli.ui.views.download import files_table, sums

    plan = plan_download(request)
    if console.mode == "json":
        console.document(plan.document())
        return
    if console.talks:
        for model in plan.models:
            console.show(files_table(model))
        console.line(sums(plan))
    for model in plan.models:
        console.line(model.path)


def _show_download(console: Console, request: "DownloadRequest") -> None:
    from chords_cli.runs.download.run import download as fetch
    from chords_cli.ui.live.download import downloading
    from chords_cli.ui.views.download import outcome

    with downloading(console) as listener:
        record = fetch(request, listener)
    if console.mode == "json":
        console.document(record.document())
        return
    console.say(outcome(record))
    for model in record.models:
        console.line(model.path)
