"""Warnings of libraries reach the user in our words, in theirs, or not at all."""

import logging
import warnings
from collections.abc import Iterator

import diffusers
import pytest
import transformers

from chords_cli.pipelines.load.reporting import report_warnings
from chords_cli.pipelines.load.wording import in_our_words


@pytest.mark.parametrize(
    ("warning", "words"),
    [
        (
            "true_cfg_scale is passed as 4.0, but classifier-free guidance is not enabled since no "
            "negative_prompt is provided.",
            "guidance 4 did nothing, because there is no negative prompt; with "
            '`negative_prompt: ""` in the preset\'s call it does',
        ),
        (
            "guidance_scale is passed as 3.5, but ignored since the model is not "
            "guidance-distilled.",
            "guidance_scale 3.5 did nothing: this model was not trained to be told its guidance",
        ),
        ("Token indices sequence length is longer than 77", None),
        ("The following part of your input was truncated because CLIP ...: ['x']", None),
        ("`height` and `width` have to be divisible by 16 but are 121 and 135.", None),
        (
            "There are modules in UNet2DConditionModel that should be kept in float32: []. "
            "Casting directly with `to()` can lead to inconsistent results; set ...",
            None,
        ),
        ("`timesteps` were passed without `sigmas`. The timesteps are used as given,", None),
        ("something\n  new", "diffusers: something new"),
        ("long " * 100, f"diffusers: {'long ' * 59}lo..."),
    ],
)
def test_a_warning_is_said_in_our_words_where_we_know_it(warning: str, words: str | None) -> None:
    assert in_our_words("diffusers", warning) == words


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What reaches the user in this process."""
    sentences: list[str] = []
    names = ("diffusers", "transformers", "peft", "accelerate")
    before = {name: logging.getLogger(name).handlers for name in names}
    with warnings.catch_warnings():
        report_warnings(sentences.append)
        yield sentences
    for name, handlers in before.items():
        logging.getLogger(name).handlers = handlers


def test_what_libraries_log_is_told(told: list[str]) -> None:
    diffusers.utils.logging.get_logger("diffusers.pipelines.x").warning("about %s", "this")
    transformers.utils.logging.get_logger("transformers.y").error("wrong")
    diffusers.utils.logging.get_logger("diffusers.z").info("a detail")
    assert told == ["diffusers: about this", "transformers: wrong"]


def test_warnings_to_users_are_told_and_those_to_developers_are_not(told: list[str]) -> None:
    for category in (UserWarning, RuntimeWarning, FutureWarning, DeprecationWarning):
        warnings.warn_explicit(f"a {category.__name__}", category, diffusers.__file__, 1)
    warnings.warn_explicit("of something else", UserWarning, "/elsewhere/module.py", 1)
    assert told == ["diffusers: a UserWarning", "diffusers: a RuntimeWarning"]
