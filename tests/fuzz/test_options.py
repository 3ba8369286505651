"""Every option of every command, with any value; and words that are no options."""

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from chords_cli.cli.app import app
from tests.fuzz.line import examples
from tests.fuzz.values import numbers, texts

COMMANDS = typer.main.get_command(app).commands
SETTLED = {
    "image": ("--dry-run", "--devices", "cpu"),
    "video": ("--dry-run", "--devices", "cpu"),
    "compare": ("--dry-run", "--devices", "cpu"),
    "plan": (),
    "presets": (),
}
"""Commands that may be run here, so that they start nothing, and their options for that."""

WITHOUT = {"--help", "--download", "--new"}
"""Options that fetch something, or do nothing else than to show a text."""

FLAGS = {
    name: [
        flag
        for parameter in COMMANDS[name].params
        for flag in (*parameter.opts, *parameter.secondary_opts)
        if flag.startswith("-") and flag not in WITHOUT
    ]
    for name in SETTLED
}

GRAMMARS = {
    "--init-t": st.lists(st.one_of(numbers, texts, st.integers(0, 60)), max_size=6).map(
        lambda parts: "-".join(map(str, parts))
    ),
    "--devices": st.lists(
        st.one_of(
            texts,
            st.sampled_from(["cpu", "cuda", "cuda:0", "cuda:-1", "xpu:1", "mps", "mps:1", "meta"]),
            st.builds("cuda:{}".format, numbers),
        ),
        max_size=5,
    ).map(",".join),
    "--image": st.builds("{}={}".format, texts, st.one_of(numbers, texts)),
    "--lora": st.builds("{}@{}={}".format, texts, texts, st.one_of(numbers, texts)),
    "--master-addr": st.builds("{}:{}".format, texts, st.one_of(numbers, texts)),
    "--model": st.one_of(
        texts, st.builds("{}/{}".format, texts, texts), st.builds("{}.yaml".format, texts)
    ),
}

anything = st.one_of(texts, numbers.map(str))


@st.composite
def typed(draw: st.DrawFn, command: str) -> list[str]:
    """Some options of a command with values, as they are typed."""
    words: list[str] = []
    for flag in draw(st.lists(st.sampled_from(FLAGS[command]), min_size=1, max_size=3)):
        parameter = next(
            one for one in COMMANDS[command].params if flag in (*one.opts, *one.secondary_opts)
        )
        if parameter.is_flag:
            words.append(flag)
            continue
        value = draw(st.one_of(anything, GRAMMARS.get(flag, anything)))
        words += [f"{flag}={value}"] if draw(st.booleans()) else [flag, value]
    return words


@pytest.mark.parametrize("command", SETTLED)
@examples(6)
@given(data=st.data())
def test_any_values_of_options_are_used_or_refused(line, command, data):
    words = [word.replace("\0", "") for word in data.draw(typed(command))]
    prompt = [] if command in ("plan", "presets") else ["a fox"]
    line(command, *prompt, *words, *SETTLED[command])


@pytest.mark.parametrize("command", SETTLED)
@examples(2)
@given(words=st.lists(texts, max_size=3))
def test_any_words_are_used_or_refused(line, command, words):
    line(command, *SETTLED[command], *(word.replace("\0", "") for word in words))


@pytest.mark.parametrize("flag", GRAMMARS)
@examples(2)
@given(data=st.data())
def test_a_value_of_an_own_grammar_is_used_or_refused(line, flag, data):
    value = data.draw(GRAMMARS[flag]).replace("\0", "")
    devices = [] if flag == "--devices" else ["--devices=cpu"]
    line("image", "a fox", "--dry-run", f"{flag}={value}", *devices)


@examples(2)
@given(words=st.lists(texts, min_size=1, max_size=2))
def test_any_command_is_refused(line, words):
    line(*(word.replace("\0", "") for word in words))
