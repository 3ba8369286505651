"""Which layout of devices is chosen, and that another device never makes anything slower."""

from itertools import product
from typing import Any

import pytest

from chords_cli.runs.settings.layouts.layout import (
    ASSUMED,
    Gains,
    Layout,
    Work,
    choose_layout,
    layouts,
)

FAST = (1, 2, 4, 8)
"""Context on as many devices as a fast link joins."""

GUIDED = {"guidance": 4.0, "splits": (False, True)}
STRONG = {"guidance": 8.0, "splits": (False, True), "contexts": FAST}

TABLE: dict[tuple[str, int], tuple[dict[str, Any], str]] = {
    ("guided", 8): (GUIDED, "1x1x1 1x2x1 1x2x1 1x2x1"),
    ("guided", 28): (GUIDED, "1x1x1 1x2x1 2x2x1 4x2x1"),
    ("guided", 50): (GUIDED, "1x1x1 1x2x1 2x2x1 4x2x1"),
    ("guided, fast link", 8): (GUIDED | {"contexts": FAST}, "1x1x1 1x2x1 1x2x2 1x2x4"),
    ("guided, fast link", 28): (GUIDED | {"contexts": FAST}, "1x1x1 1x2x1 1x2x2 1x2x4"),
    ("guided, fast link", 50): (GUIDED | {"contexts": FAST}, "1x1x1 1x2x1 1x2x2 1x2x4"),
    ("strongly guided, fast link", 28): (STRONG, "1x1x1 1x2x1 1x2x2 1x2x4"),
    ("distilled", 28): ({}, "1x1x1 2x1x1 4x1x1 4x1x1"),
    ("distilled", 50): ({}, "1x1x1 2x1x1 4x1x1 8x1x1"),
    ("distilled, fast link", 28): ({"contexts": FAST}, "1x1x1 1x1x2 1x1x4 2x1x4"),
    ("exact", 28): (GUIDED | {"contexts": FAST, "exact": True}, "1x1x1 1x2x1 1x2x2 1x2x4"),
    ("exact, distilled", 28): ({"contexts": FAST, "exact": True}, "1x1x1 1x1x2 1x1x4 1x1x8"),
}
"""Cores x split x context of one picture on 1, 2, 4 and 8 devices, by kind of model and steps."""


def chosen(devices: int, gains: Gains = ASSUMED, **work: Any) -> Layout:
    layout = choose_layout(Work(**work), devices, gains)
    assert layout is not None
    return layout


@pytest.mark.parametrize(("kind", "steps"), TABLE)
def test_a_picture_gets_the_layout_of_the_table(kind: str, steps: int) -> None:
    work, expected = TABLE[kind, steps]
    made = [chosen(devices, steps=steps, **work) for devices in (1, 2, 4, 8)]
    assert " ".join(f"{x.cores}x{1 + x.split}x{x.contexts}" for x in made) == expected


@pytest.mark.parametrize("pictures", [1, 2, 8, 100])
@pytest.mark.parametrize("guidance", [1.0, 4.0, 8.0])
def test_another_device_never_makes_anything_slower(guidance: float, pictures: int) -> None:
    for splits, contexts, steps in product(((False,), (False, True)), ((1,), FAST), range(4, 51)):
        kind = {"guidance": guidance, "splits": splits, "contexts": contexts}
        times = [
            chosen(devices, steps=steps, pictures=pictures, **kind).time for devices in range(1, 17)
        ]
        assert times == sorted(times, reverse=True), (splits, contexts, steps)


def test_many_pictures_are_made_each_on_a_device_of_its_own_and_take_every_step() -> None:
    layout = chosen(8, steps=28, pictures=100, **GUIDED)
    assert (layout.groups, layout.cores, layout.members, layout.exact) == (8, 1, 1, True)
    assert layout.plan().algo == "sequential"
    assert layout.time == 13 * 28
    assert layout.describe(8) == (
        "8 devices: 8 pictures at a time, 1 core each, all 28 steps, ideally 7.69x"
    )


def test_fewer_pictures_than_devices_share_them() -> None:
    layout = chosen(8, steps=28, pictures=2, **GUIDED)
    assert (layout.groups, layout.devices) == (2, 8)
    assert layout.time == chosen(4, steps=28, pictures=1, **GUIDED).time


def test_few_steps_and_strong_guidance_take_every_step() -> None:
    assert chosen(8, steps=8, **GUIDED).exact
    assert chosen(8, steps=28, guidance=8.0, splits=(False, True)).exact
    assert not chosen(8, steps=50, guidance=8.0, splits=(False, True)).exact


def test_the_line_says_what_was_chosen_and_what_stays_free() -> None:
    kind = GUIDED | {"contexts": FAST}
    assert chosen(8, steps=28, **kind).describe(8) == (
        "8 devices: 1 core x 2 (guidance split) x 4 (context), 17 rounds of 28, ideally 7.62x, "
        "expected error 0.0086"
    )
    assert chosen(4, steps=8, **GUIDED).describe(4) == (
        "4 devices: 1 core x 2 (guidance split), all 8 steps, ideally 1.85x, "
        "2 devices free: no sooner with more"
    )


def test_measured_gains_decide_between_cores_and_context() -> None:
    slow = Gains(context=((2, 1.05), (4, 1.1), (8, 1.15)), measured=("context",))
    assert chosen(8, slow, steps=50, contexts=FAST).cores == 8


def test_a_split_that_has_to_be_needs_its_devices() -> None:
    assert choose_layout(Work(steps=28, guidance=4.0, splits=(True,)), 1) is None
    assert all(one.split for one in layouts(Work(steps=28, guidance=4.0, splits=(True,)), 8))
    assert {one.devices for one in layouts(Work(steps=28), 4)} == {1, 2, 3, 4}


def test_a_core_stays_inside_a_host() -> None:
    work = {"steps": 28, "guidance": 4.0, "splits": (False, True), "contexts": (1, 2, 4)}
    together = {one.members for one in layouts(Work(**work), 8)}
    assert together == {1, 2, 4, 8}
    assert {one.members for one in layouts(Work(**work, hosts=(4, 4)), 8)} == {1, 2, 4}
    assert {one.members for one in layouts(Work(**work, hosts=(6, 4)), 10)} == {1, 2}
    assert {one.members for one in layouts(Work(**work, hosts=(1, 1)), 2)} == {1}
