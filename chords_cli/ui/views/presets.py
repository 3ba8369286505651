"""Shows presets: the list, and a single one in full."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text

from chords_cli.presets.files import to_yaml
from chords_cli.presets.schema import Preset
from chords_cli.records.presets import EIGHT, Facts, PresetFacts, PresetRow
from chords_cli.records.run import CoreWeights
from chords_cli.ui.format import plural, size
from chords_cli.ui.views.tables import Row, table

_STATES = {"complete": "downloaded", "partial": "incomplete", "absent": "not downloaded"}
_STATE_STYLES = {"complete": "green", "partial": "magenta", "absent": "dim"}

_TASKS = (
    *("text to image", "editing", "image to image", "inpainting", "control"),
    *("text to video", "image to video", "video to video"),
)
"""What models do, in the order of the list."""

_WITH = {
    "text to video": "no file",
    "editing": "--image",
    "image to image": "--image",
    "inpainting": "--image --mask",
    "control": "--control",
    "image to video": "--image",
    "video to video": "--video",
}
"""The options with which models do that which are listed under something else."""

_DEVICES = f"{EIGHT} devices"

_COLUMNS = {
    **dict.fromkeys(("name", "starts from", "steps", _DEVICES, "weights"), 0),
    "licence": 110,
    "model": 150,
}
"""The columns of the list, and how wide a terminal has to be for them."""

_LEGEND = (
    "starts from: what a model needs; after the semicolon, what it takes as well",
    f"{_DEVICES}: the layout of one picture without fast links, and how much sooner;",
    "  x 2 splits guidance; few steps leave cores nothing to save (chords plan)",
    "weights: on this machine; gated: accept the licence on the hub first",
)


def presets_view(presets: Sequence[PresetRow], width: int) -> Iterator[RenderableType]:
    """Draws a row per preset below what its model does, and what others of them do with files.

    Args:
        presets: The rows, by name.
        width: Of the terminal: a wide one has room for licences, and a wider one for titles.
    """
    shown = [name for name, least in _COLUMNS.items() if width >= least]
    tasks = sorted({preset.tasks[0] for preset in presets}, key=_TASKS.index)
    rows: list[Row] = []
    for task in tasks:
        rows += [("",) * len(shown)] if rows else []
        rows += [(Text(task, style="bold cyan"), *("",) * (len(shown) - 1))]
        for preset in presets:
            cells = _cells(preset)
            rows += [tuple(cells[name] for name in shown)] if preset.tasks[0] == task else []
    yield table(shown, rows, right=("steps",), whole=("name", "steps"))
    if also := list(_also(presets)):
        yield Text()
        yield table(("also", "with", "models"), also)
    yield Text()
    yield Text("\n".join(_LEGEND), style="dim")


def preset_text(preset: Preset, facts: PresetFacts) -> str:
    """Returns a preset in full, as a file that can be loaded, with `facts` in comments."""
    plan, weights = facts.plan, facts.weights
    held = "" if weights.state == "absent" else f", {size(weights.bytes)}"
    held += f" in {weights.folder}" if weights.folder else ""
    algorithm = f"{plan.algo} {'-'.join(map(str, plan.init_t or ()))}".strip()
    comments = (
        f"# weights: {_STATES[weights.state]}{held}",
        f"# plan: {algorithm}, {plan.rounds} rounds instead of {plan.steps}, ideally "
        f"{plan.speedup:.2f}x sooner",
        f"# does: {', '.join(facts.tasks)}, from {_starts(facts)}",
        f"# {_DEVICES}: {_layout(facts)}",
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


def _cells(preset: PresetRow) -> dict[str, str | Text]:
    """Returns the cells of a preset by column."""
    name = Text(preset.name)
    if preset.origin == "user":
        name.append(" (yours)", style="dim")
    state = preset.weights.state
    missing = "gated" if preset.license.gated else "-"
    held = {"complete": size(preset.weights.bytes), "partial": "incomplete", "absent": missing}
    return {
        "name": name,
        "starts from": _starts(preset),
        "steps": str(preset.plan.steps),
        _DEVICES: _layout(preset),
        "weights": Text(held[state], style=_STATE_STYLES[state]),
        "licence": preset.license.name.removesuffix(" License"),
        "model": preset.title,
    }


def _starts(preset: Facts) -> str:
    """Returns `text`, `image + mask`, or `text; image, mask` for what a model can do without."""
    names = {start.role: start.role + "s" * start.several for start in preset.starts}
    needed = [names[start.role] for start in preset.starts if start.required]
    further = [names[start.role] for start in preset.starts if not start.required]
    return "; ".join(filter(None, [" + ".join(needed) or "text", ", ".join(further)]))


def _layout(preset: Facts) -> Text:
    """Returns `4 cores x 2, 6.6x`; of a preset with a plan of its own, that plan."""
    layout = preset.layout
    if not preset.cores_help and (layout is None or layout.speedup <= 1):
        return Text("no sooner", style="dim")
    if layout is None:
        return Text(f"{plural(preset.plan.cores, 'core')}, {preset.plan.speedup:.1f}x")
    members = layout.context * (2 if layout.guidance_split else 1)
    shared = f" x {members}" if members > 1 else ""
    return Text(f"{plural(layout.cores, 'core')}{shared}, {layout.speedup:.1f}x")


def _also(presets: Sequence[PresetRow]) -> Iterator[Row]:
    """Yields what models can do that they are not listed under, with which option, and which."""
    for task in _TASKS:
        able = [preset for preset in presets if task in preset.tasks[1:]]
        if able:
            yield task, _WITH.get(task, ""), ", ".join(preset.name for preset in able)
