"""One line says which words of the prompts the model does not know."""

import json

import pytest

from tests.unit.conftest import PRESET

VOCABULARY = """
vocabulary:
  draws: a circle or a square
  words: a circle on square with
"""
DRAWS = "it draws a circle or a square"


@pytest.fixture
def note(resolved, preset_file):
    """The note of settings whose preset lists the words that its model knows."""
    text = PRESET.replace("a cat, a dog", "a circle").replace("guidance_scale", "true_cfg_scale")
    preset_file.write_text(text + VOCABULARY)
    return lambda **options: resolved(cores=4, **options).note


def test_a_model_whose_words_are_not_listed_is_taken_to_know_all(resolved):
    assert resolved(cores=4, prompts=("a cat on the moon",)).note is None


def test_words_that_the_model_knows_give_no_note(note):
    assert note() is None
    assert note(prompts=("A circle, on a SQUARE.", "circle")) is None


def test_a_line_names_the_unknown_words_and_says_what_the_model_draws(note):
    assert note(prompts=("a cat on a moon",)) == f'toy does not know "cat" and "moon"; {DRAWS}'
    assert note(prompts=("a cat",)) == f'toy does not know "cat"; {DRAWS}'


def test_many_prompts_share_a_line_that_names_each_word_once_and_says_how_many_hold_some(note):
    prompts = ("a circle", "a cat", "a Cat on a dog", *["a square"] * 97)
    unknown = 'toy does not know "cat" and "dog" (in 2 of 100 prompts)'
    assert note(prompts=prompts) == f"{unknown}; {DRAWS}"


def test_of_many_words_the_first_ones_are_named_and_the_others_counted(note):
    first = 'toy does not know "b", "c", "d", "e", "f", "g", "h" and'
    assert note(prompts=("b c d e f g h i",)) == f'{first} "i"; {DRAWS}'
    assert note(prompts=("b c d e f g h i j",)) == f"{first} 2 more words; {DRAWS}"


def test_negative_prompts_are_read_too(note):
    told = note(prompts=("a circle", "a square"), negative_prompt="blurry")
    assert told == f'toy does not know "blurry"; {DRAWS}'


def test_lines_with_options_of_their_own_share_the_line(note, tmp_path):
    lines = [{"prompt": "a cat"}, {"prompt": "a circle", "negative_prompt": "a moon"}]
    lines += [{"prompt": "a square"}]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)))
    told = note(prompt_file=str(tmp_path / "p.jsonl"))
    assert told == f'toy does not know "cat" and "moon" (in 2 of 3 prompts); {DRAWS}'


def test_a_word_is_one_line_that_plays_no_tricks_however_it_is_written(note):
    told = note(prompts=("\x1b[31mcat\u202e " + "x" * 1000,))
    shown = r'"\x1b[31mcat\u202e" and ' + f'"{"x" * 37}..."'
    assert told == f"toy does not know {shown}; {DRAWS}"


def test_the_line_comes_before_what_is_said_of_devices(note):
    first, second = note(prompts=("a cat",), devices="cpu").splitlines()
    assert first.startswith('toy does not know "cat"')
    assert second.startswith("4 cores share cpu")


def test_a_list_of_words_is_refused_with_an_example(refused, preset_file):
    preset_file.write_text(PRESET + "vocabulary: {draws: a circle, words: [a, on]}\n")
    assert refused() == (
        f"{preset_file}: vocabulary.words is ['a', True], but must be text",
        "write vocabulary.words: a and blue circle on or red square",
    )
