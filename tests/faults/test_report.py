"""The page on reliability tells of every cell that there is."""

from collections import Counter

from tests.faults.cells import CELLS
from tests.faults.report import PAGE, page_of, place_of, places_on
from tests.faults.test_terminals import PHASE, ROWS


def test_the_page_has_a_place_for_every_cell() -> None:
    terminals = Counter(place_of(what, PHASE) for what in ROWS)
    here = Counter(place_of(cell.what, cell.phase) for cell in CELLS) + terminals
    assert len(ROWS) == 7
    told = places_on(PAGE.read_text())
    assert {place: count for place, count in told.items() if place in here} == here


def test_the_page_says_how_many_runs_were_not_right() -> None:
    def line(what: str, wrong: list[str]) -> dict[str, object]:
        told = {"what": what, "phase": "loading", "wrong": wrong, "resumed": (0, 2)}
        return {**told, "code": 1, "seconds": 11.0, "error": "core 1 | `died`"}

    page = page_of([line("core 1 is killed", []), line("core 2 is killed", ["a traceback"])])
    assert "**1 of 2** runs were right" in page
    assert (
        "2 (core 1 is killed while loading; core 2 is killed while loading) took longer"
        in " ".join(page.split())
    )
    assert "| loading | 1 of 2, 11.0 s |" in page
    assert r"| core 1 \| died |" in page


def test_the_page_tells_of_long_runs() -> None:
    held = {"after": 38.9, "end": 41.04, "descriptors": 24.0}
    line = {"kind": "long", "what": "300 images", "steps": 8, "seconds": 514}
    page = page_of([line | {"processes": {"0": held, "parent": held}, "wrong": ["it grew"]}])
    assert "| what | seconds | core 0 | the command |" in page
    assert "| 300 images, it grew | 514 | 38.9, 41.0, 24 | 38.9, 41.0, 24 |" in page


def test_every_day_each_phase_is_met_by_a_fault() -> None:
    assert {cell.phase for cell in CELLS if cell.quick} == {cell.phase for cell in CELLS}
