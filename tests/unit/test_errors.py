import pickle
import traceback
from functools import partial

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import (
    ChordsError,
    PlanError,
    UsageError,
    check_all,
    spell_options,
    verbatim,
)


def test_python_and_the_command_line_write_options_in_their_own_words():
    error = UsageError(
        "{cores} is too many", "use {cores:name} 4 or {algo}", {"cores": 9, "algo": "chords"}
    )
    assert str(error) == error.message == "cores=9 is too many"
    assert error.hint == "use cores 4 or algo='chords'"
    assert error.spelled(as_option) == ("--cores 9 is too many", "use --cores 4 or --algo chords")


@pytest.mark.parametrize(
    ("name", "value", "typed"),
    [
        ("stop_index", 2, "--stop-index 2"),
        ("resume", True, "--resume"),
        ("metadata", None, "--no-metadata"),
        ("metadata", False, "--no-metadata"),
        ("frames", [41, 45], "--frames 41 or --frames 45"),
        ("loras", "a b.safetensors", "--lora 'a b.safetensors'"),
        ("devices", "cuda:0,cuda:1", "--devices cuda:0,cuda:1"),
    ],
)
def test_an_option_is_written_as_it_is_typed(name, value, typed):
    assert spell_options(f"{{{name}}}", {name: value}, as_option) == typed


def test_braces_that_name_no_suggested_option_are_text():
    error = UsageError("preset {x} has {cores} and {", "", {"steps": 3})
    assert error.message == "preset {x} has {cores} and {"


def test_an_error_that_is_reworded_keeps_the_braces_of_both():
    inner = UsageError(f"{verbatim('{cores}')} is wrong, try {{cores}}", "", {"cores": 4})
    outer = inner.reworded(f"{verbatim('{message}{cores}.yaml')}: {{message}}", "{hint}")
    assert outer.message == "{message}{cores}.yaml: {cores} is wrong, try cores=4"


def test_all_checks_run_and_one_error_says_once_what_each_of_them_found():
    def refuse(error):
        raise error

    first = PlanError("{steps} is too small", "raise {steps}", {"steps": 3})
    others = [UsageError("{steps} is odd"), UsageError("{x} is odd", "try {x}", {"x": 1})]
    errors = [first, *others, first]
    with pytest.raises(PlanError) as caught:
        check_all(*(partial(refuse, error) for error in errors), int)
    assert caught.value.message == "steps=3 is too small; {steps} is odd; x=1 is odd"
    assert caught.value.hint == "raise steps=3"
    check_all(int, int)


def test_braces_in_a_value_name_no_option():
    error = UsageError(f"{verbatim('my{output}')} is a file", "try {output}", {"output": "a"})
    assert error.message == "my{output} is a file"
    assert error.hint == "try output='a'"


def test_an_error_that_says_more_keeps_class_and_options():
    error = PlanError("steps is 0", "try {steps}", {"steps": 50})
    more = error.reworded("arm 'chords': {message}")
    assert type(more) is PlanError
    assert (more.message, more.hint) == ("arm 'chords': steps is 0", "try steps=50")
    assert more.reworded("{message}", "or {cores}", {"cores": 2}).hint == "or cores=2"


def test_an_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(UsageError("a {cores}", "b", {"cores": 2})))
    assert isinstance(error, ChordsError)
    assert (error.message, error.hint) == ("a cores=2", "b")


def test_a_traceback_ends_with_the_hint() -> None:
    error = UsageError("cores is {cores}", "try {cores}", {"cores": 4})
    assert traceback.format_exception_only(error)[-2:] == [
        "chords_cli.errors.UsageError: cores is cores=4\n",
        "hint: try cores=4\n",
    ]
    assert traceback.format_exception_only(ChordsError("no hint"))[-1].endswith("no hint\n")
