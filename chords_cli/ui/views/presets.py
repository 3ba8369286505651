"""Shows presets: the list, and a single one in full."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from chords_cli.presets.files import to_yaml
from chords_cli.presets.schema import Preset
from chords_cli.records.presets import PresetFacts, PresetRow, WeightsFacts
from chords_cli.records.run import CoreWeights
from chords_cli.ui.format import plural, size
from chords_cli.ui.views.tables import Row, table

_STATE_STYLES = {"complete": "green", "partial": "magenta", "absent": "dim"}


def presets_table(presets: Sequence[PresetRow]) -> Table:
    """Draws a row per preset: the model, its plan, its weights on this machine, and its licence."""
    return table(("name", "model", "plan", "weights", "licence"), map(_preset_row, presets))


def preset_text(preset: Preset, facts: PresetFacts) -> str:
    """Returns a preset in full, as a file that can be loaded, with `facts` in comments."""
    plan, folder = facts.plan, facts.weights.folder
    where = f" in {folder}" if folder else ""
    algorithm = f"{plan.algo} {'-'.join(map(str, plan.init_t or ()))}".strip()
    comments = (
        f"# weights: {_describe_weights(facts.weights)}{where}",
        f"# plan: {algorithm}, {plan.rounds} rounds instead of {plan.steps}, ideally "
        f"{plan.speedup:.2f}x sooner",
        *(f"# memory: {line}" for line in _describe_memory(facts.memory)),
    )
    return "\n".join((*comments, to_yaml(preset)))


def _describe_memory(memory: Sequence[CoreWeights]) -> Iterator[str]:
    """Yields a line for each group of neighbouring cores that hold the same weights."""
    for parts, group in groupby(memory, key=lambda core: core.components):
        cores = list(group)
        first, last = cores[0], cores[-1]
        who = f"core {first.core}" if first is last else f"cores {first.core} to {last.core}, each"
        listed = ", ".join(f"{name} {size(amount)}" for name, amount in parts.items())
        yield f"{who} {size(first.bytes)} of weights ({listed})"


def _preset_row(preset: PresetRow) -> Row:
    name = Text(preset.name, style="bold")
    if preset.origin == "user":
        name.append(" (yours)", style="not bold dim")
    return (
        name,
        preset.title,
        f"{plural(preset.plan.cores, 'core')}, {preset.plan.speedup:.2f}x",
        Text(_describe_weights(preset.weights), style=_STATE_STYLES[preset.weights.state]),
        f"{preset.license.name}{' (gated)' if preset.license.gated else ''}",
    )


def _describe_weights(weights: WeightsFacts) -> str:
    amount = size(weights.bytes)
    return {
        "complete": f"downloaded, {amount}",
        "partial": f"incomplete, {amount}",
        "absent": "not downloaded",
    }[weights.state]
