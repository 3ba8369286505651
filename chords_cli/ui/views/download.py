"""Downloads as tables: the files of a dry run, and the models that can be had."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from chords_cli.ui.format import plural, size
from chords_cli.ui.views.tables import Row, table


def files_table(model: Mapping[str, Any]) -> Table:
    """The files of a model with sizes; `-` where one is there already."""
    columns = (model["model"], "size", "to fetch")
    return table(columns, map(_file_row, model["files"]), right=columns[1:])


def models_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What can be downloaded: its size, whether it is there, whether it is gated."""
    columns = ("name", "model", "size", "weights", "licence")
    return table(columns, map(_model_row, rows), right=("size",))


def sums(document: Mapping[str, Any]) -> str:
    """A dry run in one line."""
    count = sum(len(model["files"]) for model in document["models"])
    free = size(document["free"])
    return (
        f"{plural(count, 'file')}, {size(document['bytes'])}; {size(document['to_fetch'])} to "
        f"fetch into {document['cache']}, which has {free} free"
    )


def outcome(document: Mapping[str, Any]) -> str:
    """A download in one line."""
    if not document["fetched"]:
        return "nothing to fetch: all is there"
    return f"{size(document['fetched'])} fetched and checked"


def verdicts_table(document: Mapping[str, Any]) -> Table:
    """Every file that was compared with the hub's hash."""
    rows = [
        (path, Text(found, style="green" if found == "intact" else "bold red"))
        for path, found in document["files"].items()
    ]
    return table(("file", ""), rows)


def verdict(name: str, document: Mapping[str, Any]) -> Text:
    """What a comparison comes to, in one line, and what to do about it."""
    wrong = [found for found in document["files"].values() if found != "intact"]
    total = plural(len(document["files"]), "file")
    if not wrong:
        return Text(f"{total} as on the hub, commit {document['commit'][:12]}")
    anew = "" if set(wrong) == {"missing"} else " --force"
    mend = f"mend it with: chords download {name}{anew}"
    return Text(f"{len(wrong)} of {total} not as on the hub; {mend}", style="red")


def _file_row(file: Mapping[str, Any]) -> Row:
    left = file["bytes"] - file["there"]
    return file["path"], size(file["bytes"]), size(left) if left else Text("-", style="dim")


def _model_row(row: Mapping[str, Any]) -> Row:
    state = {"complete": "downloaded", "partial": "incomplete", "absent": "not downloaded"}
    style = {"complete": "green", "partial": "magenta", "absent": "dim"}[row["state"]]
    amount = "" if row["bytes"] is None else size(row["bytes"])
    return (
        Text(row["name"], style="bold"),
        row["title"],
        amount if row["exact"] else f"about {amount}".strip() if amount else "",
        Text(state[row["state"]], style=style),
        f"{row['license']}{' (gated)' if row['gated'] else ''}",
    )
