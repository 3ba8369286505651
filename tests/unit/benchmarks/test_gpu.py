"""The benchmark of one GPU: what it predicts and shows, and that one failure costs no other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks.gpu import predict, report, sections
from benchmarks.gpu.__main__ import _document
from benchmarks.gpu.cores import closeness
from benchmarks.gpu.models import FLUX, models
from benchmarks.gpu.predict import Costs, busiest, costs_of, default_plan
from benchmarks.gpu.sections import SECTIONS, Outcome, Section, Settings
from chords_cli.presets.files import load_preset
from chords_cli.presets.gains import MeasuredGains
from chords_cli.runs.outputs.recipe import environment
from chords_cli.sampler.choice import PlanChoice, resolve_plan

COSTS = Costs(
    stock_step=0.1,
    step=0.125,
    encode=0.5,
    decode=0.25,
    chain={2: 0.002, 4: 0.006, 8: 0.012},
    own={2: 0.001, 4: 0.002, 8: 0.004},
)

CHAINS = [
    {"cores": cores, "megabytes": FLUX.megabytes, "median": 2.0, "p90": 3.0, "own": 1.0}
    for cores in (2, 4, 8)
]

AGAINST_STOCK = {
    "steps": 20,
    "repeats": 5,
    "core_over_stock": 1.002,
    "stock": {"load": 8.0, "step": 0.1, "device_bytes": 25_900_000_000},
    "core": {
        "start": 4.0,
        "load": 7.0,
        "step": 0.1002,
        "encode": 0.5,
        "decode": 0.25,
        "peak_memory": [[25_900_000_000, 1_500_000_000]],
        "equals_stock": True,
    },
}


def settings(**changed: Any) -> Settings:
    return Settings(**{"device": "cpu", "tiny": False, "limit": 480.0, "work": "/work"} | changed)


def outcomes(**notes: dict[str, Any]) -> list[Outcome]:
    """Every section done, with the notes of some, by their names with underscores."""
    return [
        Outcome(
            name=section.name,
            state="done",
            seconds=1.0,
            notes=notes.get(section.name.replace(",", "").replace(" ", "_"), {}),
        )
        for section in SECTIONS
    ]


def test_a_prediction_counts_a_chain_once_and_the_own_messages_in_every_round() -> None:
    made = predict.predict(default_plan("wavefront", 50, 4), COSTS)
    assert (made.rounds, made.messages) == (11, 11)
    assert made.sample == pytest.approx(11 * 0.125 + 11 * 0.002 + 0.006)
    assert made.total == pytest.approx(made.sample + 0.75)
    assert made.stock_total == pytest.approx(50 * 0.1 + 0.75)
    assert made.speedup == pytest.approx(made.stock_total / made.total)


def test_cores_of_the_papers_algorithm_pay_for_fewer_messages_than_rounds() -> None:
    plan = default_plan("chords", 50, 4)
    asked = plan.until(1)
    assert busiest(plan) == max(len(asked.incoming(core)) for core in range(4)) < plan.rounds()


def test_one_core_has_no_messages() -> None:
    assert busiest(default_plan("sequential", 50, 1)) == 0


def test_predictions_are_for_all_steps_algorithms_and_numbers_of_cores() -> None:
    rows = [(row.steps, row.algo, row.cores) for row in predict.predictions(COSTS)]
    assert rows == [
        (steps, algo, cores)
        for steps in (50, 28)
        for algo in ("chords", "wavefront")
        for cores in (2, 4, 8)
    ]


@pytest.mark.parametrize("algo", ["chords", "wavefront"])
def test_predicted_plans_are_those_of_the_command_line(algo: str, tmp_path: Path) -> None:
    file = tmp_path / "preset.yaml"
    file.write_text(preset_text())
    preset = load_preset(file)
    for cores in predict.CORES:
        assert default_plan(algo, 28, cores) == resolve_plan(
            preset.plan, PlanChoice(steps=28, cores=cores, algo=algo)
        )


@pytest.mark.parametrize("tiny", [True, False])
def test_presets_of_all_models_are_valid(tiny: bool, tmp_path: Path) -> None:
    for model in models(tiny=tiny).values():
        file = tmp_path / f"{model.name}.yaml"
        file.write_text(preset_text(model.name, tiny=tiny))
        preset = load_preset(file)
        assert (preset.kind, preset.pipeline) == (model.kind, model.pipeline)


def test_nothing_is_predicted_from_what_was_not_measured() -> None:
    assert costs_of({}, CHAINS) is None
    assert costs_of(AGAINST_STOCK, []) is None
    assert costs_of({**AGAINST_STOCK, "core": {"failed": "it died"}}, CHAINS) is None


def test_a_document_holds_every_section_and_marks_predictions() -> None:
    document = _document(
        settings(), outcomes(flux_against_stock=AGAINST_STOCK, messages_of_flux={"chains": CHAINS})
    )
    assert set(document) == {"schema", "settings", "seconds", "sections", "predicted"}
    assert [one["name"] for one in document["sections"]] == [one.name for one in SECTIONS]
    assert document["predicted"]["flux"]["note"] == "predicted, not measured"
    assert document["predicted"]["flux"]["costs"]["chain"] == {2: 0.002, 4: 0.002, 8: 0.002}
    assert document["predicted"]["wan"] is None


def test_a_table_says_what_was_measured_and_what_was_predicted() -> None:
    found = outcomes(
        machine={
            "device": "cpu",
            "cpus": 2,
            "memory": 10**9,
            "date": "today",
            "versions": environment(),
        },
        flux_against_stock=AGAINST_STOCK,
        messages_of_flux={"chains": CHAINS},
    )
    text = report.table(_document(settings(), found))
    assert "one core            100.20 ms a step, +0.20 %" in text
    assert "latent equals stock's bit for bit" in text
    assert "peak memory: device 25.9 GB; host 1.5 GB" in text
    assert "flux on separate GPUs: PREDICTED, NOT MEASURED" in text
    assert "wan on separate GPUs: not predicted" in text


def test_gains_of_several_gpus_are_those_of_the_model_that_gains_least(tmp_path: Path) -> None:
    notes = {"members": 2, "steps": 8, "step": 0.1, "peak_memory": [[10**9, 10**9]] * 2}
    found = outcomes(
        machine={"device": "cpu", "cpus": 2, "memory": 1, "date": "", "versions": environment()},
        wan_halves_apart={**notes, "contexts": 1, "gain": 1.8},
        wan_tokens_apart={**notes, "contexts": 2, "gain": 1.6},
        flux_tokens_apart={**notes, "contexts": 2, "gain": 1.4},
        wan_tokens_on_4={"members": 4, "contexts": 4, "skipped": "it takes 4 CUDA devices"},
    )
    text = report.table(_document(settings(), found))
    assert "halves on 2         100.00 ms a step, 1.80x of one device" in text
    assert "tokens on 4         skipped: it takes 4 CUDA devices" in text
    told = text[text.index("  split: ") :].splitlines()[:2]
    assert MeasuredGains.model_validate(yaml.safe_load("\n".join(told).replace("  ", ""))) == (
        MeasuredGains(split=1.8, context={2: 1.4})
    )
    assert "gains.yaml: needs two GPUs" in report.table(_document(settings(), outcomes()))


def test_a_run_without_time_skips_every_section_by_name() -> None:
    told: list[str] = []

    def heard(_: list[Outcome], following: Section | None) -> None:
        told.append(following.name if following else "over")

    made = sections.run(settings(limit=1.0), lambda: 2.0, heard)
    assert {(one.state, one.error) for one in made} == {("skipped", "the time is over")}
    assert told == [*(one.name for one in SECTIONS), "over"]
    assert "flux against stock" in report.table(_document(settings(), made))


def test_a_failed_section_is_told_with_its_error_and_skips_what_needs_it(tmp_path: Path) -> None:
    one = settings(device="nowhere:0", work=str(tmp_path))
    made = {each.name: each for each in sections.run(one, lambda: 0.0, lambda *_: None)}
    assert made["machine"].state == "failed"
    assert made["machine"].error is not None
    assert made["machine"].error.startswith("RuntimeError: ")
    assert made["messages of wan"].error == "the device cannot be used"
    assert made["flux against stock"].error == "build flux was skipped"


def test_a_latent_is_compared_with_stocks(tmp_path: Path) -> None:
    file = tmp_path / "stock.npy"
    latent = np.zeros((1, 4), np.float32)
    assert closeness(latent, file) == {"equals_stock": None}
    np.save(file, latent)
    assert closeness(latent, file) == {"equals_stock": True, "rms_to_stock": 0.0}
    assert closeness(latent + 0.5, file) == {"equals_stock": False, "rms_to_stock": 0.5}


def preset_text(name: str = "flux", *, tiny: bool = False) -> str:
    return yaml.safe_dump(models(tiny=tiny)[name].preset("/weights"))
