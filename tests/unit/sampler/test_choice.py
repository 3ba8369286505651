"""From a preset and options to a plan and a stop rule: what wins over what."""

from typing import Any

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import PlanError, UsageError
from chords_cli.presets.schema import Preset, Sampling, Stop
from chords_cli.sampler import choice, stop
from chords_cli.sampler.choice import PlanChoice, parse_init_t
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule


def preset(steps: int = 50, **sampling: object) -> Preset:
    return Preset.model_validate(
        {
            "name": "x",
            "title": "X",
            "kind": "image",
            "path": "x",
            "pipeline": "FluxPipeline",
            "license": {"name": "MIT"},
            "call": {"num_inference_steps": steps},
            "sampling": sampling,
        }
    )


def resolve_plan(model: Preset, *, init_t: str | None = None, **given: Any) -> Plan:
    starts = None if init_t is None else parse_init_t(init_t)
    return choice.resolve_plan(model.plan, PlanChoice(init_t=starts, **given))


def resolve_stop(model: Preset, cores: int, **given: Any) -> StopRule:
    return stop.resolve_stop(model.stop, cores, **given)


def test_plan_is_the_presets_when_nothing_is_said():
    plan = resolve_plan(preset(cores=3, init_t="0-10-30"))
    assert (plan.algo, plan.steps, plan.init_t) == ("chords", 50, (0, 10, 30))


def test_presets_starts_give_way_when_an_option_changes_cores_or_steps():
    model = preset(cores=3, init_t="0-10-30")
    assert resolve_plan(model, cores=4).init_t == (0, 8, 16, 32)
    assert resolve_plan(model, steps=40).init_t != (0, 10, 30)
    assert resolve_plan(model, cores=3, steps=50).init_t == (0, 10, 30)


def test_given_starts_decide_the_number_of_cores():
    assert resolve_plan(preset(), init_t="0-5").cores == 2


def test_auto_asks_for_the_default_starts():
    assert resolve_plan(preset(cores=4, init_t="0-1-2-3"), init_t="auto").init_t == (0, 8, 16, 32)


def test_sequential_takes_one_core_whatever_the_preset_has():
    plan = resolve_plan(preset(cores=8), algo="sequential")
    assert (plan.algo, plan.cores, plan.rounds()) == ("sequential", 1, 50)


@pytest.mark.parametrize("algo", ["sequential", "chords", "wavefront"])
def test_options_of_one_algorithm_ask_for_it_whatever_the_preset_has(algo):
    model = preset(algo=algo, cores=1)
    assert resolve_plan(model, init_t="0-8").algo == "chords"
    assert resolve_plan(model, cores=4, rounds=12).algo == "wavefront"
    assert resolve_plan(model, cores=4, speedup=4.0).algo == "wavefront"
    assert resolve_plan(model, cores=4, init_t="auto").init_t == (0, 8, 16, 32)


def test_one_core_instead_of_several_is_the_sequential_sampler_unless_said_otherwise():
    model = preset(algo="wavefront", cores=4)
    assert resolve_plan(model, cores=1).algo == "sequential"
    assert resolve_plan(model, cores=1, algo="wavefront").nfe_total() == 18
    assert resolve_plan(preset(algo="wavefront", cores=1), cores=1).algo == "wavefront"


def test_a_preset_of_one_core_is_sequential_until_more_are_asked_for():
    model = preset(cores=1)
    assert (model.sampling.algo, resolve_plan(model, cores=1).algo) == ("sequential",) * 2
    assert resolve_plan(model, cores=4).algo == "wavefront"


@pytest.mark.parametrize("pace", [{"rounds": 12}, {"speedup": 4.0}])
def test_starts_and_rounds_have_no_algorithm_in_common(pace):
    with pytest.raises(PlanError, match=r"^init_t='0-8' and \w+=[\d.]+ exclude") as caught:
        resolve_plan(preset(), init_t="0-8", **pace)
    assert (
        caught.value.spelled(as_option)[1]
        == "give one of them: starts are for chords, rounds for wavefront"
    )


@pytest.mark.parametrize("algo", ["sequential", "chords", "wavefront"])
@pytest.mark.parametrize("steps", [10_001, 10**20])
def test_an_absurd_number_of_steps_is_refused_at_once(algo, steps):
    with pytest.raises(PlanError) as caught:
        resolve_plan(preset(), algo=algo, steps=steps)
    assert (
        caught.value.spelled(as_option)[0]
        == f"steps is {steps}, but a grid has at most 10000 steps"
    )
    assert caught.value.spelled(as_option)[1] == "try --steps 50"


def test_an_absurd_number_of_cores_is_refused_at_once():
    with pytest.raises(PlanError, match=r"(?m)^cores is 257, but a run has at most 256 cores$"):
        resolve_plan(preset(), cores=257, steps=10_000)


def test_number_of_cores_is_checked_before_the_number_of_starts():
    with pytest.raises(PlanError, match=r"(?m)^cores is 0, but a run has at least 1 core$"):
        resolve_plan(preset(), cores=0, init_t="0-8")


def test_starts_of_a_preset_must_fit_its_cores():
    with pytest.raises(PlanError, match=r"(?m)^init_t 0-8 has 2 starts, but cores is 4$"):
        resolve_plan(preset(cores=4, init_t="0-8"))


def test_unknown_algorithm_is_refused():
    with pytest.raises(
        UsageError, match=r"(?m)^algo is 'srds', but there are only sequential, chords, wavefront$"
    ):
        resolve_plan(preset(), algo="srds")


def test_starts_are_read_as_they_are_written():
    assert parse_init_t("0-8-16") == (0, 8, 16)
    assert parse_init_t("auto") == "auto"


def test_stop_is_the_presets_when_nothing_is_said():
    model = preset(stop=Stop(criterion="residual", residual=0.1))
    assert resolve_stop(model, 4).residual == 0.1


def test_stop_index_of_a_preset_gives_way_to_fewer_cores():
    assert resolve_stop(preset(stop={"index": 3}), cores=2).index == 2


def test_given_stop_wins_over_the_preset():
    model = preset(stop=Stop(criterion="residual", residual=0.1))
    assert resolve_stop(model, 4, stop_index=0).index == 0
    assert resolve_stop(preset(), 4, stop_residual=0.2).residual == 0.2


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_residual_must_be_above_zero(value):
    with pytest.raises(UsageError, match=r"(?m)but a residual is finite and above 0$"):
        resolve_stop(preset(), 4, stop_residual=value)


def test_both_stop_options_are_one_too_many():
    with pytest.raises(UsageError, match=r"^stop_index=1 and stop_residual=0\.1 exclude"):
        resolve_stop(preset(), 4, stop_index=1, stop_residual=0.1)


def test_index_beyond_the_last_output_is_refused():
    with pytest.raises(UsageError, match=r"(?m)^stop_index is 2, but 1 core makes outputs 0 to 1$"):
        resolve_stop(preset(), 1, stop_index=2)


def test_defaults_of_a_preset_are_four_cores_to_output_one():
    assert (Sampling().cores, Sampling().stop.index) == (4, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init_t": 5}, "init_t is 5, but must be a tuple of whole numbers"),
        ({"init_t": ()}, "init_t is (), but must be a tuple of whole numbers"),
        ({"init_t": (0, 5.0)}, "init_t is (0, 5.0), but must be a tuple of whole numbers"),
        ({"speedup": "2"}, "speedup is '2', but must be a number"),
        ({"guidance": None}, "guidance is None, but must be a number"),
    ],
)
def test_a_value_of_another_type_makes_no_plan(options, message):
    with pytest.raises(PlanError) as caught:
        choice.plan(**options)
    assert caught.value.message == message


def test_starts_may_be_any_sequence():
    assert choice.plan(init_t=range(0, 40, 10)).init_t == (0, 10, 20, 30)
