"""The words that the built-in models know are those of their grammars and their tokenizers."""

import random

import pytest
from tokenizers import Tokenizer

from chords_cli.presets.files import find_preset
from chords_cli.presets.vocabulary import unknown_in
from training import clips, scenes

KNOWN = frozenset({"a", "red", "circle", "on"})

WORD_PER_TOKEN = {"demo-image": "tokenizer_2", "demo-video": "tokenizer"}
"""The tokenizers that have a token for each word and one for all others."""

GRAMMARS = {"demo-image": scenes, "demo-video": clips}

models = pytest.mark.parametrize("model", GRAMMARS)


def known(model: str) -> frozenset[str]:
    """The words of a built-in preset."""
    vocabulary = find_preset(model).vocabulary
    assert vocabulary is not None
    return vocabulary.known


def tokenizer(model: str, name: str) -> Tokenizer:
    """One of a built-in model's tokenizers."""
    return Tokenizer.from_file(str(find_preset(model).path / name / "tokenizer.json"))


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a red circle", []),
        ("A RED Circle.", []),
        ('(red) circle, "circle"; circle!?', []),
        ("a cat on the moon", ["cat", "the", "moon"]),
        ("a Cat, a DOG.", ["Cat", "DOG"]),
        ("2 red circles", ["2", "circles"]),
        ("a red-circle", ["red-circle"]),
        ("circle,circle", ["circle,circle"]),
        ("\u732b \U0001f98a gr\u00fcn", ["\u732b", "\U0001f98a", "gr\u00fcn"]),
        ("- ... \u2014", []),
        (" \n\t", []),
    ],
)
def test_a_word_stands_between_spaces_less_its_capitals_and_punctuation(text, unknown):
    assert list(unknown_in(text, KNOWN)) == unknown


@models
def test_a_built_in_model_knows_the_words_of_its_grammar(model):
    assert known(model) == {*GRAMMARS[model].vocabulary()}


@models
def test_its_tokenizer_has_a_token_for_each_of_them_and_for_no_other(model):
    pieces = tokenizer(model, WORD_PER_TOKEN[model]).get_vocab()
    assert {piece[1:].lower() for piece in pieces if piece[0] == "\u2581"} == known(model)


@pytest.mark.parametrize("spell", [str, str.capitalize, str.upper])
def test_both_tokenizers_of_the_image_model_read_each_as_one_token(spell):
    clip, t5 = (tokenizer("demo-image", name) for name in ("tokenizer", "tokenizer_2"))
    for word in known("demo-image"):
        assert clip.encode(spell(word)).tokens[1:-1] == [f"{word}</w>"]
        assert t5.encode(spell(word)).tokens[:-1] == [f"\u2581{spell(word)}"]


@models
def test_a_word_of_a_sentence_is_known_where_the_tokenizer_reads_it(model):
    rng, grammar = random.Random(7), GRAMMARS[model]
    draw = scenes.sample_scene if grammar is scenes else clips.sample_clip
    sentences = [grammar.describe(draw(rng), rng) for _ in range(100)]
    words = [word for sentence in sentences for word in sentence.split()]
    words += ["circles", "red-circle", "circle;", "cat", "abstract", "circle,square", "two"]
    reader, read = tokenizer(model, WORD_PER_TOKEN[model]), known(model)
    unread = [word for word in words if _holds_unknown(reader, word.rstrip(";"))]
    assert 10 < len(unread) < len(words) / 2
    assert [word for word in words if [*unknown_in(word, read)]] == unread


def _holds_unknown(reader: Tokenizer, word: str) -> bool:
    return reader.token_to_id("<unk>") in reader.encode(word).ids


@models
def test_what_a_built_in_model_draws_is_said_in_words_that_it_knows(model):
    vocabulary = find_preset(model).vocabulary
    joining = {"one", "two", "of", "or", "in", "and"}
    assert {*unknown_in(vocabulary.draws, known(model))} <= joining


@models
def test_the_prompts_of_a_built_in_preset_hold_no_unknown_word(model):
    for prompt in find_preset(model).prompts:
        assert [*unknown_in(prompt, known(model))] == []
