"""Shows downloads as tables: the files of a dry run, and the models that can be downloaded."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from chords_cli.records.download import (
    CatalogueEntry,
    DownloadPlan,
    DownloadRecord,
    ModelFile,
    ModelFiles,
    VerifyRecord,
)
from chords_cli.ui.format import plural, size
from chords_cli.ui.views.tables import Row, table

_LEAST_WITH_TITLES = 100
"""Columns of a terminal that has room for the models' titles."""


def files_table(model: ModelFiles) -> Table:
    """Lists the files of a model with sizes; those that are present have a `-`."""

    def row(file: ModelFile) -> Row:
        left = file.bytes - file.there
        return file.path, size(file.bytes), size(left) if left else Text("-", style="dim")

    columns = (model.model, "size", "to fetch")
    return table(columns, map(row, model.files), right=columns[1:])


def models_table(entries: Sequence[CatalogueEntry], width: int) -> Table:
    """Lists what can be downloaded; titles only where a terminal of `width` has room for them."""
    columns = ("name", "size", "weights", "licence", "model")
    shown = columns if width >= _LEAST_WITH_TITLES else columns[:-1]
    rows = (_model_row(entry)[: len(shown)] for entry in entries)
    return table(shown, rows, right=("size",), whole=("name",))


def sums(plan: DownloadPlan) -> str:
    """Sums up a dry run in one line."""
    count = sum(len(model.files) for model in plan.models)
    return (
        f"{plural(count, 'file')}, {size(plan.bytes)}; {size(plan.to_fetch)} to "
        f"fetch into {plan.cache}, which has {size(plan.free)} free"
    )


def outcome(record: DownloadRecord) -> str:
    """Sums up a download in one line."""
    if not record.fetched:
        return "nothing to fetch: all is there"
    return f"{size(record.fetched)} fetched and checked"


def verdicts_table(record: VerifyRecord) -> Table:
    """Lists every file that was compared with the hub's hash."""
    rows = [
        (path, Text(found, style="green" if found == "intact" else "bold red"))
        for path, found in record.files.items()
    ]
    return table(("file", ""), rows)


def verdict(name: str, record: VerifyRecord) -> Text:
    """Sums up a check of files in one line, with what to do about it."""
    wrong = [found for found in record.files.values() if found != "intact"]
    total = plural(len(record.files), "file")
    if not wrong:
        return Text(f"{total} as on the hub, commit {record.commit[:12]}")
    force = "" if set(wrong) == {"missing"} else " --force"
    advice = f"fix it with: chords download {name}{force}"
    return Text(f"{len(wrong)} of {total} not as on the hub; {advice}", style="red")


def _model_row(entry: CatalogueEntry) -> Row:
    state = {"complete": "downloaded", "partial": "incomplete", "absent": "not downloaded"}
    style = {"complete": "green", "partial": "magenta", "absent": "dim"}[entry.state]
    amount = "" if entry.bytes is None else size(entry.bytes)
    return (
        Text(entry.name, style="bold"),
        amount if entry.exact else f"about {amount}".strip() if amount else "",
        Text(state[entry.state], style=style),
        f"{entry.license}{' (gated)' if entry.gated else ''}",
        entry.title,
    )
