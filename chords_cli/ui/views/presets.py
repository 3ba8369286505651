"""Presets for people: the list, and one in full."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.table import Table
from rich.text import Text

from chords_cli.presets.files import to_yaml
from chords_cli.presets.schema import Preset
from chords_cli.ui.format import plural, size
from chords_cli.ui.views.tables import Row, table


def presets_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One line per preset: what it is, how it is run, whether it is there, under which licence."""
    return table(("name", "model", "plan", "weights", "licence"), map(_row, rows))


def preset_text(preset: Preset, facts: Mapping[str, Any]) -> str:
    """A preset in full, as a file that loads again; other facts stand in comments."""
    plan, weights = facts["plan"], facts["weights"]
    where = f" in {weights['folder']}" if weights["folder"] else ""
    comments = (
        f"# weights: {_weights(weights)}{where}",
        f"# plan: {_algorithm(plan)}, {plan['rounds']} rounds instead of {plan['steps']}, ideally "
        f"{plan['speedup']:.2f}x sooner",
        *(f"# memory: {line}" for line in _memory(facts["memory"])),
    )
    return "\n".join((*comments, to_yaml(preset)))


def _algorithm(plan: Mapping[str, Any]) -> str:
    starts = "-".join(map(str, plan["init_t"] or ()))
    return f"{plan['algo']} {starts}".strip()


def _memory(cores: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line per kind of core: those that hold the same weights."""
    for parts, alike in groupby(cores, key=lambda core: core["components"]):
        numbers = [core["core"] for core in alike]
        first, last = numbers[0], numbers[-1]
        who = f"core {first}" if first == last else f"cores {first} to {last}, each"
        listed = ", ".join(f"{name} {size(amount)}" for name, amount in parts.items())
        yield f"{who} {size(sum(parts.values()))} of weights ({listed})"


def _row(row: Mapping[str, Any]) -> Row:
    name = Text(row["name"], style="bold")
    if row["origin"] == "user":
        name.append(" (yours)", style="not bold dim")
    gate = " (gated)" if row["license"]["gated"] else ""
    state = row["weights"]["state"]
    style = {"complete": "green", "partial": "magenta", "absent": "dim"}[state]
    return (
        name,
        row["title"],
        _plan(row["plan"]),
        Text(_weights(row["weights"]), style=style),
        f"{row['license']['name']}{gate}",
    )


def _plan(plan: Mapping[str, Any]) -> str:
    return f"{plural(plan['cores'], 'core')}, {plan['speedup']:.2f}x"


def _weights(weights: Mapping[str, Any]) -> str:
    amount = size(weights["bytes"])
    return {
        "complete": f"downloaded, {amount}",
        "partial": f"incomplete, {amount}",
        "absent": "not downloaded",
    }[weights["state"]]
