"""What came out of a run, in a few lines, from its record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from chords_cli.ui.format import duration, plural


def paths(record: Mapping[str, Any]) -> list[str]:
    """The path of every result, in order."""
    folder = Path(record["settings"]["output"])
    return [str(folder / entry["output"]) for entry in record["prompts"]]


def summary(record: Mapping[str, Any]) -> Text:
    """Measured times, and what they say about the plan on these devices."""
    seconds, entries = record["seconds"], record["prompts"]
    made = plural(len(entries), record["command"])
    if not seconds["load"]:
        return Text.assemble((made, "bold green"), " made before, nothing left to do")
    lines = [
        Text.assemble(
            (made, "bold green"),
            f" in {duration(seconds['total'])}"
            f" (start {duration(seconds['start'])}, load {duration(seconds['load'])})",
        ),
        Text(_sampling(record), style="dim"),
    ]
    lines += [Text(said, style="dim") for said in (_unmet(record), _shared(record)) if said]
    return Text("\n").join(lines)


def _sampling(record: Mapping[str, Any]) -> str:
    """The last result in rounds and seconds."""
    last = record["prompts"][-1]
    spent, steps = last["seconds"], record["plan"]["steps"]
    rounds = f"{plural(last['rounds'], 'round')} instead of {plural(steps, 'step')}"
    return (
        f"{rounds}: encoding {duration(spent['encode'])}, sampling {duration(spent['sample'])},"
        f" decoding {duration(spent['decode'])}"
    )


def _unmet(record: Mapping[str, Any]) -> str:
    """That the wish for a small residual came to nothing, where it did."""
    wanted, entries = record["stop"].get("residual"), record["prompts"]
    if wanted is None:
        return ""
    chosen = [
        one for entry in entries for one in entry["outputs"] if one["path"] == entry["output"]
    ]
    unmet = sum(one.get("residual") is None or one["residual"] >= wanted for one in chosen)
    if not unmet:
        return ""
    which = f" for {unmet} of {plural(len(entries), record['command'])}" if len(entries) > 1 else ""
    return f"no residual was below {wanted:g}{which}: the result is the last output, core 0's"


def _shared(record: Mapping[str, Any]) -> str:
    """Why the seconds do not show the last result's speed-up, where cores share a device."""
    devices, speedup = record["devices"], record["plan"]["steps"] / record["prompts"][-1]["rounds"]
    if speedup <= 1 or len(set(devices)) == len(devices):
        return ""
    where = ", ".join(dict.fromkeys(devices))
    return (
        f"{plural(len(devices), 'core')} share {where}: in seconds this is not the {speedup:.2f}x"
        " of cores that have a GPU each"
    )
