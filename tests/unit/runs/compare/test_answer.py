"""What a comparison answers, from made-up numbers."""

import pytest

from chords_cli.runs.compare.answer import answer
from tests.doubles.comparisons import made_up


def told(numbers, *prompts):
    """The answer of a comparison whose arms have these evaluations in a row and distances."""
    record, _ = made_up("image", "a cat", *prompts, arms=("sequential", *numbers))
    arms = [record.arms[0]]
    for arm in record.arms[1:]:
        evaluations, distance = numbers[arm.name]
        rmse = arm.quality.latent_rmse.model_copy(update={"mean": distance})
        quality = arm.quality.model_copy(update={"latent_rmse": rmse})
        arms.append(arm.model_copy(update={"evaluations": evaluations, "quality": quality}))
    return answer(record.model_copy(update={"arms": tuple(arms)}))


def test_the_fastest_on_several_cores_is_set_against_the_closest_of_one_device():
    assert told(
        {"few-steps": (13, 0.05), "few-steps x": (13, 0.02), "chords": (21, 0.001),
         "wavefront": (13, 0.01)},
    ) == (
        "What do 4 devices buy beyond one? In 13 evaluations in a row instead of 50, wavefront "
        "comes within RMSE 0.0100 of sequential, and the closest of one device, few-steps x, "
        "within 0.0200: 2.0 times closer. Sampling took 1.50 s and 1.50 s, but 4 cores share cpu."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("alone", "said"),
    [
        (0.005, "0.0050: one device is 2.0 times closer."),
        (0.0101, "0.0101: no closer."),
        (0.0, "0.0000: one device is closer."),
    ],
)
def test_one_device_that_is_as_good_is_told(alone, said):
    assert said in told({"few-steps": (13, alone), "wavefront": (13, 0.01)})


def test_only_arms_that_evaluate_no_more_often_in_a_row_are_rivals():
    said = told({"few-steps": (20, 0.001), "few-steps x": (12, 0.05), "wavefront": (13, 0.01)})
    assert "the closest of one device, few-steps x in 12, within 0.0500: 5.0 times closer" in said


def test_of_several_results_it_tells_the_mean():
    said = told({"few-steps": (13, 0.02), "wavefront": (13, 0.01)}, "a dog")
    assert "within 0.0200: 2.0 times closer, on average over 2 results. Sampling" in said


def test_one_device_has_a_question_of_its_own():
    assert told({"few-steps": (20, 0.05), "few-steps x": (20, 0.02)}) == (
        "What can one device do with fewer evaluations? In 20 evaluations in a row instead of 50, "
        "few-steps x comes within RMSE 0.0200 of sequential, and few-steps, in 20, within 0.0500."
    )


@pytest.mark.parametrize(
    "numbers",
    [
        {"wavefront": (13, 0.01)},
        {"few-steps": (13, 0.01)},
        {"few-steps": (20, 0.1), "chords": (9, 0.1)},
    ],
)
def test_nothing_is_answered_that_no_two_arms_tell(numbers):
    assert told(numbers) is None
