"""What is said of processes, an exchange and a step."""

from dataclasses import replace
from pathlib import Path

import pytest

from chords_cli.cli.options import as_option
from chords_cli.engine.start import StartMethod
from chords_cli.errors import ChordsError
from chords_cli.hub.cache import Weights
from chords_cli.models.inputs.tasks import Start
from chords_cli.presets.files import find_preset
from chords_cli.runs.doctor import cores
from chords_cli.runs.doctor.cores import (
    Step,
    check_exchange,
    check_hop,
    check_start,
    check_step,
    look,
    neighbours,
)
from chords_cli.runs.doctor.notes import Notes

DEMO = find_preset("demo-image")
STEP = Step(seconds=0.2, elements=2048, device="cuda:0")
HERE = Weights("complete", Path("/here"), 7_000_000)


@pytest.mark.parametrize(
    ("method", "state"),
    [
        (StartMethod("fork"), "ok"),
        (StartMethod("spawn", "CHORDS_START is spawn"), "ok"),
        (StartMethod("spawn", "something that was imported had used cuda before the fork"), "warn"),
    ],
)
def test_processes_that_cannot_be_forked_are_told(method, state):
    told = check_start(method)
    assert told.state == state
    assert method.reason is None or method.reason in told.found


def test_the_first_two_cores_are_neighbours():
    assert neighbours(["cpu", "cpu"]) == ("cpu", "cpu")
    assert neighbours(["cuda:0"]) == ("cuda:0", "cuda:0")
    assert neighbours(["cuda:1", "cuda:1", "cuda:3"]) == ("cuda:1", "cuda:3")


def test_an_exchange_is_told_with_its_size_and_its_time():
    told = check_exchange(("cpu", "cpu"), 2048, 0.00042, exact=True)
    assert told.found == "two processes on cpu hand a latent of 8 kB on in 0.42 ms, median of 9"
    told = check_exchange(("cuda:0", "cuda:1"), 10**6, 0.0123, exact=False)
    assert told.found.startswith(
        "a process on cuda:0 and one on cuda:1 hand a latent of about 4.0 MB on in 12 ms"
    )


def test_a_step_that_was_not_measured_is_told_with_the_command_that_does():
    assert check_step(DEMO, STEP, "").found == "200 ms on cuda:0, one step of demo-image"
    told = check_step(DEMO, None, "it is not here")
    assert (told.state, told.found) == ("ok", "not measured: it is not here")
    assert told.remedy == 'chords compare "a fox" --model demo-image measures cores with it'


def test_a_hop_is_compared_with_a_step():
    told = check_hop(0.002, STEP)
    assert (told.state, told.found) == ("ok", "2 ms is 1.0% of a step of 200 ms")
    assert check_hop(0.1, STEP).state == "warn"
    assert check_hop(0.1, None).state == "ok"


@pytest.fixture
def told(resolved, monkeypatch):
    """Looks at cores of which nothing is really started; returns names and states."""
    monkeypatch.setattr(cores, "start_method", lambda devices: StartMethod("fork"))
    monkeypatch.setattr(cores, "measure_step", lambda preset, folder, device: STEP)
    monkeypatch.setattr(cores, "measure_hop", lambda pair, elements, method: 0.001)

    def look_at(weights: Weights, *, possible: bool = True) -> list[tuple[str, str]]:
        notes = Notes(lambda check: None, as_option)
        look(notes, DEMO, resolved() if possible else None, weights)
        return [(check.name, check.state) for check in notes.checks]

    return look_at


ALL_WELL = [("start", "ok"), ("step", "ok"), ("exchange", "ok"), ("hop", "ok")]


def test_all_is_tried_with_a_small_model(told):
    assert told(HERE) == ALL_WELL


def test_steps_are_measured_of_small_models_alone_that_are_here(told, monkeypatch):
    monkeypatch.setattr(cores, "measure_step", None)
    assert told(replace(HERE, bytes=cores.SMALL + 1)) == ALL_WELL
    assert told(Weights("absent", None, 0)) == ALL_WELL


def test_no_step_is_measured_of_a_model_that_starts_from_files(told, monkeypatch):
    monkeypatch.setattr(cores, "measure_step", None)
    monkeypatch.setattr(cores, "starts_of", lambda preset: (Start(role="image", required=True),))
    assert told(HERE) == ALL_WELL


def test_nothing_is_tried_where_no_run_is_possible(told):
    assert told(HERE, possible=False) == [("exchange", "warn")]


def test_a_step_that_fails_keeps_nobody_from_the_exchange(told, monkeypatch):
    def fails(*_: object) -> None:
        raise ChordsError("core 0 on cpu: out of memory")

    monkeypatch.setattr(cores, "measure_step", fails)
    assert told(HERE) == [("start", "ok"), ("step", "fail"), ("exchange", "ok"), ("hop", "ok")]
    monkeypatch.setattr(cores, "measure_hop", fails)
    assert told(HERE) == [("start", "ok"), ("step", "fail"), ("exchange", "fail")]
