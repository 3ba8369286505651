"""The study as it is started: what it computes, what it keeps, and what its tables say."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import rounds
from benchmarks.study import work
from benchmarks.study.cells import Arm, Cell, Row, Store
from benchmarks.study.lines import lines, lost
from benchmarks.study.measures import against, spread
from benchmarks.study.report import estimates, extras, markdown, table
from tests.unit.benchmarks.problems import problem

ROOT = Path(__file__).parents[3]
SUBSET = ["--model", "demo-image", "--steps", "12", "20", "--guidance", "4", "--cores", "1", "2"]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[work.Part]:
    """The parts that were sampled, on a tiny pipeline in the place of the model."""
    parts: list[work.Part] = []

    @torch.inference_mode()
    def sampled(part: work.Part) -> dict[Arm, Row]:
        parts.append(part)
        tiny = problem("flux", part.cell.guidance, part.cell.steps)
        return work.measured(tiny, part.arms, part.cell.guidance)

    monkeypatch.setattr(work, "sampled", sampled)
    monkeypatch.setattr(work, "_prepare", lambda threads: None)
    monkeypatch.setattr(work, "fingerprint", lambda name, draw: f"this code, {draw}")
    return parts


def start(folder: Path, *arguments: str) -> None:
    rounds.main([*SUBSET, "--cells", str(folder), "--prompts", "3", *arguments])


def test_a_second_start_computes_nothing_and_shows_the_same(computed, tmp_path, capsys):
    start(tmp_path)
    first = capsys.readouterr().out
    assert [part.cell.steps for part in computed] == [12, 20]
    start(tmp_path)
    start(tmp_path, "--show")
    assert len(computed) == 2
    assert capsys.readouterr().out == 2 * first
    assert "demo-image, guidance 4" in first


def test_a_study_that_ended_early_goes_on_with_what_is_missing(computed, tmp_path, monkeypatch):
    whole = work.sampled

    def ends(part: work.Part) -> dict[Arm, Row]:
        if part.cell.steps == 20:
            raise KeyboardInterrupt
        return whole(part)

    monkeypatch.setattr(work, "sampled", ends)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path)
    monkeypatch.setattr(work, "sampled", whole)
    start(tmp_path)
    assert [part.cell.steps for part in computed] == [12, 20]


def test_more_rounds_add_rows_to_a_cell(computed, tmp_path, capsys):
    start(tmp_path, "--steps", "20", "--arms", "wavefront", "one core")
    start(tmp_path, "--steps", "20", "--arms", "wavefront", "one core", "--rounds", "0", "2")
    default = Cell("demo-image", 20, 4.0).default_rounds(2)
    assert Arm("wavefront", 2, default + 2) in computed[1].arms
    assert not {*computed[0].arms} & {*computed[1].arms}
    assert f"{default + 2}*" in capsys.readouterr().out


def test_other_code_computes_again_unless_told_that_it_is_the_same(computed, tmp_path, monkeypatch):
    start(tmp_path, "--steps", "12")
    monkeypatch.setattr(work, "fingerprint", lambda name, draw: "other code")
    start(tmp_path, "--steps", "12", "--any-code")
    assert len(computed) == 1
    monkeypatch.setattr(work, "fingerprint", lambda name, draw: "third code")
    start(tmp_path, "--steps", "12")
    assert len(computed) == 2


def test_what_is_tuned_on_other_prompts_is_never_shown_as_the_study(computed, tmp_path):
    start(tmp_path, "--steps", "12", "--tuning")
    start(tmp_path, "--steps", "12")
    assert [part.draw for part in computed] == ["tuning", "study"]


def test_a_dry_run_says_how_long_it_would_take(computed, tmp_path, capsys):
    start(tmp_path, "--dry-run")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2 parts are missing: about" in captured.err
    assert computed == list(tmp_path.iterdir()) == []


def test_scripts_read_what_the_tables_say(computed, tmp_path, capsys):
    start(tmp_path, "--steps", "20", "--json")
    one, two = json.loads(capsys.readouterr().out)
    assert (one["cores"], one["against_one_core"]) == (1, None)
    assert two["evaluations"] > two["rounds"]
    assert two["made"].keys() == {"median", "tail", "worst", "prompts"}
    assert {*two["alone"]} == {"one core", "Euler", "DPM++ 2M", "UniPC"}


def cell(**rmse: list[float | None]) -> Store:
    """A cell of 28 steps: K=2 and K=4 at their default rounds, Euler, and one core."""
    place = Cell("demo-image", 28, 4.0)
    made = Store(place, "")
    for name, values in rmse.items():
        cores = int(name[1]) if name[0] == "k" else 1
        told = {"one": "one core", "euler": "Euler"}.get(name, "wavefront")
        for k in (cores,) if cores > 1 else (2, 4):
            made.add(0, {Arm(told, cores, place.default_rounds(k)): Row(99, values)})
    return made


def test_cores_are_compared_on_the_prompts_of_both() -> None:
    found = lines([cell(k2=[0.01, 0.04, 0.5], one=[0.02, 0.02, None])], [2])
    assert found[0].against == against([0.01, 0.04], [0.02, 0.02])
    assert found[0].against.ratio == pytest.approx(1.0)
    assert found[0].against.closer == 0.5
    assert found[0].alone["one core"].prompts == 2
    assert found[0].made.prompts == 3


def test_what_lost_is_said_with_its_numbers() -> None:
    stores = [cell(k2=[0.02] * 3, k4=[0.03] * 3, one=[0.01] * 3, euler=[0.5] * 3)]
    two, four = (stores[0].cell.default_rounds(k) for k in (2, 4))
    assert lost(lines(stores, [2, 4])) == [
        "demo-image, guidance 4, 28 steps: "
        f"K=2 in {two} (0.0200 0.0200) by one core (0.0100 0.0100); "
        f"K=4 in {four} (0.0300 0.0300) by one core (0.0100 0.0100)"
    ]


def test_more_cores_that_are_no_closer_in_as_many_rounds_have_lost() -> None:
    [line] = lines([cell(k4=[0.01] * 3)], [4])
    few = Cell("demo-image", 16, 4.0)
    rounds = few.default_rounds(8)
    assert rounds == few.default_rounds(4)
    closer = line.made._replace(tail=0.005)
    eight = replace(line, cell=few, cores=8, rounds=rounds, fewer={4: closer})
    assert lost([eight])[0].endswith(f"K=8 in {rounds} (0.0100 0.0100) by K=4 (0.0100 0.0050)")


def test_tables_name_every_model_and_number_of_cores() -> None:
    found = lines([cell(k2=[0.02], k4=[0.01], one=[0.03], euler=[0.5])], [2, 4])
    assert table(found).splitlines()[2].split()[:2] == ["28", "2"]
    text = markdown(found)
    assert "| demo-image | 4 | 28 |" in text
    assert "0.0100 0.0100 (0.33, 100%)" in text
    heads, *rows = (line for line in text.splitlines() if line.startswith("|"))
    assert [line.count("|") for line in rows[:2]] == 2 * [heads.count("|")]


def test_meshes_and_peers_are_shown_below() -> None:
    store = cell(k2=[0.02])
    assert extras([store]) == ""
    store.add(0, {Arm("ParaDiGMS 0.02", 2, 0): Row(30, [0.5], {"rounds": [17.0]})})
    assert "17 rounds  0.5000 0.5000 0.5000" in extras([store])


def test_estimates_are_held_against_distances() -> None:
    store = cell(k2=[0.02])
    assert estimates([store]) == ""
    told = {"within": [0.02, 0.04, 0.01, None]}
    store.add(0, {Arm("wavefront", 4, 12): Row(45, [0.01, 0.01, 0.02, 0.5], told)})
    assert estimates([store]).splitlines()[-1] == "| demo-image | 4 | 67% of 3, 0.50 |"


def test_results_that_are_exact_have_no_ratio() -> None:
    assert against([0.0, 0.0], [0.0, 0.0]) is None
    assert spread([None]) is None
    assert spread([1.0, None, 3.0]) == (2.0, pytest.approx(2.8), 3.0, 2)


def test_results_are_short_enough_to_be_read() -> None:
    assert len((ROOT / "benchmarks" / "RESULTS.md").read_text().splitlines()) <= 250
