"""Which core runs where, and what is said of it before anything loads."""

import pytest

from chords_cli.presets.files import find_preset
from chords_cli.runs.settings.layouts import placement
from chords_cli.runs.settings.layouts.placement import find_devices, place
from chords_cli.runs.settings.options.request import Request

GPUS = ("cuda:0", "cuda:1", "cuda:2", "cuda:3")


@pytest.mark.parametrize("cores", [1, 4])
def test_as_many_cores_as_were_wished_for_and_a_device_for_each_is_nothing_to_talk_of(
    cores: int,
) -> None:
    placement = place(cores, GPUS, wished=cores, preset="flux")
    assert placement.devices == GPUS[:cores]
    assert placement.note is None


def test_fewer_cores_than_wished_for_are_told_with_the_way_to_have_more() -> None:
    assert place(4, GPUS, wished=8, preset="flux").note == (
        "4 cores, one on each device; flux takes up to 8: --cores 8 has them share devices"
    )


def test_one_device_has_one_core() -> None:
    placement = place(1, ("cuda:0",), wished=8, preset="flux")
    assert placement.devices == ("cuda:0",)
    assert placement.note == (
        "1 core, because cuda:0 is the only device; flux takes up to 8: --cores 8 has them share it"
    )


def test_more_cores_than_devices_share_them_in_turn_and_are_warned_of() -> None:
    placement = place(6, GPUS, wished=6, preset="flux")
    assert placement.devices == (*GPUS, "cuda:0", "cuda:1")
    assert placement.note == (
        "6 cores share 4 devices, up to 2 on one: the same results, but no sooner; each holds its "
        "own weights"
    )
    assert place(4, ("cpu",), wished=4, preset="demo-image").note == (
        "4 cores share cpu: the same results, but no sooner"
    )


def test_a_core_whose_guidance_is_split_has_two_devices_side_by_side() -> None:
    placement = place(2, GPUS, wished=2, preset="wan2-1", members=2)
    assert (placement.devices, placement.note) == (GPUS, None)
    assert place(2, GPUS, wished=8, preset="wan2-1", members=2).note == (
        "2 cores on 2 devices each, one for each half of guidance; wan2-1 takes up to 8: "
        "--cores 8 has them share devices"
    )


def test_halves_of_guidance_that_share_a_device_are_warned_of() -> None:
    placement = place(1, ("cuda:0",), wished=1, preset="wan2-1", members=2)
    assert placement.devices == ("cuda:0", "cuda:0")
    assert placement.note == (
        "the 2 halves of guidance share cuda:0: each process holds its own weights"
    )


@pytest.mark.parametrize("starts", [True, False])
def test_what_cores_are_forked_from_starts_with_the_settings_on_the_host_too(
    starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(placement, "preload", started.append)
    request = Request(kind="image", devices="cpu")
    assert find_devices(request, find_preset("demo-image"), starts=starts) == ("cpu",)
    assert started == (["FluxPipeline"] if starts else [])
