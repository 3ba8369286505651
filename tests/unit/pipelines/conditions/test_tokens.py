"""What is cut of a prompt is told of every family, whether its pipeline says so or not."""

from typing import Any

import pytest

from chords_cli.pipelines.conditions.tokens import PromptReader
from chords_cli.pipelines.said import Said
from tests.doubles import tiny, zoo

WORDS = "a cat riding a horse"
CALLS = tiny.CALLS | zoo.CALLS
ENCODERS = {
    "flux": {"text_encoder": 77, "text_encoder_2": 16},
    "sd3": {"text_encoder": 77, "text_encoder_2": 77, "text_encoder_3": 16},
    "hunyuan": {"text_encoder": 111, "text_encoder_2": 77},
    "wan": {"text_encoder": 16},
    "qwen-image": {"text_encoder": 1058},
    "flux2": {"text_encoder": 16},
}
"""What the text encoders read of a prompt that is too long for all of them."""


class Told(PromptReader):
    """A reader of a family's tiny pipeline, and what it tells of prompts."""

    def __init__(self, family: str) -> None:
        self.pipe = (tiny.BUILDERS | zoo.BUILDERS)[family]()
        self.pipe.set_progress_bar_config(disable=True)
        self.sentences: list[str] = []
        super().__init__(self.pipe, Said(self.sentences.append))

    def of(self, **call: Any) -> list[str]:
        self.begin(call)
        self.pipe(**call, num_inference_steps=2, output_type="latent")
        return self.sentences


@pytest.mark.parametrize("family", ENCODERS)
def test_every_encoder_that_cuts_is_named_with_its_limit(family: str) -> None:
    sentences = Told(family).of(prompt=" ".join([WORDS] * 200), **CALLS[family])
    assert len(sentences) == len(ENCODERS[family])
    for sentence, (encoder, limit) in zip(sentences, ENCODERS[family].items(), strict=True):
        assert f"; {encoder} reads {limit}" in sentence


def test_what_was_cut_is_quoted_and_who_read_all_is_named() -> None:
    call = CALLS["flux"] | {"max_sequence_length": 64}
    assert Told("flux").of(prompt=" ".join([WORDS] * 5), **call) == [
        "the prompt is 82 tokens long; text_encoder reads 77, so the last 5 were cut: "
        '"horse" (text_encoder_2 read all of it)'
    ]


def test_one_token_too_many_is_one() -> None:
    tokenizer = tiny.flux().tokenizer_2
    prompt = "a"
    while len(tokenizer(prompt).input_ids) < 17:
        prompt += " a"
    (sentence,) = Told("flux").of(prompt=prompt, **CALLS["flux"])
    assert sentence.startswith("the prompt is 17 tokens long; text_encoder_2 reads 16 ")
    assert sentence.endswith('so the last one was cut: "a" (text_encoder read all of it)')


def test_a_prompt_that_just_fits_is_not_told_of() -> None:
    assert Told("flux").of(prompt=WORDS, **CALLS["flux"]) == []


def test_a_negative_prompt_that_was_cut_is_named_as_such() -> None:
    call = CALLS["wan"] | {"negative_prompt": " ".join(["blurry"] * 30)}
    (sentence,) = Told("wan").of(prompt="a cat", **call)
    assert sentence.startswith("the negative prompt is ")


def test_a_tokenizer_answers_as_before_it_was_watched() -> None:
    asked: dict[str, Any] = {"padding": "max_length", "max_length": 16, "truncation": True}
    plain, watched = tiny.flux().tokenizer, Told("flux").pipe.tokenizer
    assert watched([WORDS, WORDS * 9], **asked) == plain([WORDS, WORDS * 9], **asked)
    assert isinstance(watched, type(plain))
