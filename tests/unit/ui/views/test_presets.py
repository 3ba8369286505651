"""How presets are listed, and one is shown in full."""

import io
from collections.abc import Iterable

from rich.console import Console

from chords_cli.presets.files import find_preset
from chords_cli.records.presets import (
    LicenseFacts,
    PlanFacts,
    PresetFacts,
    PresetRow,
    WeightsFacts,
)
from chords_cli.records.run import CoreWeights
from chords_cli.ui.views.presets import preset_text, presets_table

PLAN = PlanFacts(
    algo="chords", cores=4, steps=50, init_t=(0, 8, 16, 32), rounds=21, speedup=50 / 21
)
HERE = WeightsFacts(state="complete", folder="/models/x", bytes=1_500_000_000)


def row(**changes: object) -> PresetRow:
    facts = {
        "name": "x",
        "file": "x.yaml",
        "origin": "shipped",
        "title": "The X",
        "kind": "image",
        "source": "me/x",
        "license": LicenseFacts(name="MIT", gated=False, url=None),
        "plan": PLAN,
        "weights": HERE,
    }
    return PresetRow(**facts | changes)


def listed(*rows: PresetRow) -> list[str]:
    """The lines of the table below its head."""
    console = Console(file=io.StringIO(), width=120)
    console.print(presets_table(rows))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()[2:]]


def comments(weights: WeightsFacts, memory: Iterable[CoreWeights] = ()) -> list[str]:
    facts = PresetFacts(plan=PLAN, weights=weights, memory=tuple(memory))
    lines = preset_text(find_preset("demo-image"), facts).splitlines()
    return [line for line in lines if line.startswith("# ")]


def test_a_row_names_model_plan_weights_and_licence():
    assert listed(row()) == ["x The X 4 cores, 2.38x downloaded, 1.5 GB MIT"]


def test_a_row_marks_own_gated_and_missing_models():
    gated = LicenseFacts(name="NC", gated=True, url=None)
    absent = WeightsFacts(state="absent", folder=None, bytes=0)
    mine = row(origin="user", license=gated, weights=absent)
    assert listed(mine) == ["x (yours) The X 4 cores, 2.38x not downloaded NC (gated)"]


def test_facts_that_the_file_does_not_tell_are_comments():
    partial = WeightsFacts(state="partial", folder="/models/x", bytes=1_000)
    assert comments(partial) == [
        "# weights: incomplete, 1.0 kB in /models/x",
        "# plan: chords 0-8-16-32, 21 rounds instead of 50, ideally 2.38x sooner",
    ]


def test_cores_that_hold_the_same_weights_share_a_line():
    held = [{"text_encoder": 1000, "transformer": 2000}, {"transformer": 2000}]
    memory = [
        CoreWeights(core=core, components=parts, bytes=sum(parts.values()))
        for core, parts in enumerate((held[0], held[1], held[1]))
    ]
    assert comments(HERE, memory)[2:] == [
        "# memory: core 0 3.0 kB of weights (text_encoder 1.0 kB, transformer 2.0 kB)",
        "# memory: cores 1 to 2, each 2.0 kB of weights (transformer 2.0 kB)",
    ]
