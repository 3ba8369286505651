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
    StartFacts,
    WeightsFacts,
)
from chords_cli.records.run import CoreWeights
from chords_cli.ui.views.presets import preset_text, presets_view

PLAN = PlanFacts(
    algo="chords", cores=4, steps=50, init_t=(0, 8, 16, 32), rounds=21, speedup=50 / 21
)
HERE = WeightsFacts(state="complete", folder="/models/x", bytes=1_500_000_000)


PICTURE = StartFacts(role="image", required=False, several=True, pipeline="XImg2ImgPipeline")
FACTS = {"tasks": ("text to image",), "starts": (), "plan": PLAN, "layout": None}
FACTS |= {"cores_help": True}


def row(**changes: object) -> PresetRow:
    facts = {
        "name": "x",
        "file": "x.yaml",
        "origin": "shipped",
        "title": "The X",
        "kind": "image",
        "source": "me/x",
        "license": LicenseFacts(name="MIT", gated=False, url=None),
        **FACTS,
        "weights": HERE,
    }
    return PresetRow(**facts | changes)


def listed(*rows: PresetRow, width: int = 160) -> list[str]:
    """The lines of the list below its head, up to what explains it."""
    console = Console(file=io.StringIO(), width=width)
    console.print(*presets_view(rows, width), sep="\n")
    text = console.file.getvalue().partition("starts from: ")[0]
    lines = [" ".join(line.split()) for line in text.splitlines()[2:]]
    return [line for line in lines if line]


def comments(weights: WeightsFacts, memory: Iterable[CoreWeights] = ()) -> list[str]:
    facts = PresetFacts(**FACTS, weights=weights, memory=tuple(memory))
    lines = preset_text(find_preset("demo-image"), facts).splitlines()
    return [line for line in lines if line.startswith("# ")]


def test_a_row_names_what_starts_it_plan_weights_licence_and_model_below_what_it_does():
    assert listed(row()) == ["text to image", "x text 50 4 cores, 2.4x 1.5 GB MIT The X"]


def test_a_narrow_terminal_shows_neither_licence_nor_model():
    assert listed(row(), width=100)[1] == "x text 50 4 cores, 2.4x 1.5 GB"
    assert listed(row(), width=120)[1].endswith("1.5 GB MIT")


def test_a_row_marks_own_gated_and_missing_models():
    gated = LicenseFacts(name="NC", gated=True, url=None)
    absent = WeightsFacts(state="absent", folder=None, bytes=0)
    mine = row(origin="user", license=gated, weights=absent)
    assert listed(mine)[1] == "x (yours) text 50 4 cores, 2.4x gated NC The X"
    assert listed(row(weights=absent))[1] == "x text 50 4 cores, 2.4x - MIT The X"


def test_what_else_models_do_is_listed_with_the_option_that_asks_for_it():
    both = row(tasks=("text to image", "image to image"), starts=(PICTURE,))
    assert listed(both, row(name="y"))[1:3] == [
        "x text; images 50 4 cores, 2.4x 1.5 GB MIT The X",
        "y text 50 4 cores, 2.4x 1.5 GB MIT The X",
    ]
    assert listed(both)[-1] == "image to image --image x"


def test_facts_that_the_file_does_not_tell_are_comments():
    partial = WeightsFacts(state="partial", folder="/models/x", bytes=1_000)
    assert comments(partial) == [
        "# weights: incomplete, 1.0 kB in /models/x",
        "# plan: chords 0-8-16-32, 21 rounds instead of 50, ideally 2.38x sooner",
        "# does: text to image, from text",
        "# 8 devices: 4 cores, 2.4x",
    ]


def test_cores_that_hold_the_same_weights_share_a_line():
    held = [{"text_encoder": 1000, "transformer": 2000}, {"transformer": 2000}]
    memory = [
        CoreWeights(core=core, components=parts, bytes=sum(parts.values()))
        for core, parts in enumerate((held[0], held[1], held[1]))
    ]
    assert comments(HERE, memory)[4:] == [
        "# memory: core 0 3.0 kB of weights (text_encoder 1.0 kB, transformer 2.0 kB)",
        "# memory: cores 1 to 2, each 2.0 kB of weights (transformer 2.0 kB)",
    ]


def test_no_name_is_broken_in_a_narrow_terminal():
    names = ("flux2-klein-base-4b", "wan2-1-vace-1.3b")
    starts = (StartFacts(role="image", required=True, several=True, pipeline="X"),)
    shown = "\n".join(listed(*(row(name=name, starts=starts) for name in names), width=60))
    assert all(name in shown for name in names)
