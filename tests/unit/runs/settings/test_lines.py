"""Prompt files of JSON objects: what a line may say, and what is said of those that are wrong."""

import json

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.runs.settings.lines import KEYS, LineError, read_lines
from chords_cli.runs.settings.options.request import Request

EXAMPLE = 'write an object a line, as in {"prompt": "a red heart", "image": "sketch.png"}'


def lines_of(folder, *lines):
    file = folder / "many.jsonl"
    file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    return read_lines(str(file))


@pytest.fixture
def refused(tmp_path):
    """The message, without the folder, and the hint for a file with these lines."""

    def refuse(*lines):
        with pytest.raises(UsageError) as caught:
            lines_of(tmp_path, *lines)
        message, hint = caught.value.spelled(as_option)
        return message.replace(f"{tmp_path}/", ""), hint

    return refuse


def test_a_plain_file_has_no_lines_of_its_own():
    assert read_lines("prompts.txt") == ()
    assert read_lines("-") == ()
    assert read_lines(None) == ()


def test_a_line_has_a_prompt_and_options_by_their_names(tmp_path):
    first, second = lines_of(
        tmp_path,
        "# shapes",
        {"prompt": "a cat", "image": "a.png", "strength": 1, "seed": 7},
        "",
        {"prompt": "a dog", "image": ["/b.png", "~/c.png"], "negative_prompt": "", "mask": "m.png"},
    )
    assert (first.prompt, first.seed, first.place) == ("a cat", 7, f"{tmp_path}/many.jsonl:2")
    assert first.options == {"image": (f"{tmp_path}/a.png",), "strength": 1}
    assert (second.seed, second.place) == (None, f"{tmp_path}/many.jsonl:4")
    request = second.apply(Request(kind="image", mask="other.png", control="edges.png"))
    assert request.image == ("/b.png", "~/c.png")
    assert (request.mask, request.control) == (f"{tmp_path}/m.png", "edges.png")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("a red heart", "not JSON: Expecting value", EXAMPLE),
        ('{"prompt": "a", "prompt": "b"}', "not JSON: 'prompt' comes twice", EXAMPLE),
        (["a"], "the line is no object", EXAMPLE),
        ({"image": "a.png"}, "the line has no prompt", EXAMPLE),
        ({"prompt": " "}, "the prompt is empty", 'say what to show, as in "a red circle"'),
        (
            {"prompt": "a", "steps": 9},
            "steps is the same for all lines of a run",
            f"give --steps to the command; a line may say {', '.join(KEYS)}",
        ),
        (
            {"prompt": "a", "images": "b.png"},
            "images is not a key of a line",
            "did you mean image?",
        ),
        (
            {"prompt": "a", "zoom": 1},
            "zoom is not a key of a line",
            f"a line may say {', '.join(KEYS)}",
        ),
        (
            {"prompt": 5},
            "prompt is 5: input should be a valid string",
            "write a value of that type",
        ),
        (
            {"prompt": "a", "seed": "7"},
            "seed is '7': input should be a valid integer",
            "write a value of that type",
        ),
        (
            {"prompt": "a", "strength": "much"},
            "strength is 'much': input should be a valid number",
            "write a value of that type",
        ),
        (
            {"prompt": "a", "image": 5},
            "image is 5: input should be a valid tuple",
            "write a value of that type",
        ),
    ],
)
def test_a_line_that_is_wrong_is_named_with_its_number(refused, line, message, hint):
    assert refused({"prompt": "a cat"}, line) == (f"many.jsonl:2: {message}", hint)


def test_a_file_without_lines_is_refused(refused):
    assert refused("# nothing", "") == ("prompt file many.jsonl holds no prompt", EXAMPLE)


def test_an_error_of_a_line_names_what_the_line_may_say_as_it_does():
    error = LineError("a.jsonl:3", UsageError("{strength} is odd", "try {steps} or {mask:name}"))
    assert error.spelled(as_option) == (
        "a.jsonl:3: {strength} is odd",
        "try {steps} or {mask:name}",
    )
    told = {"strength": 0.7, "steps": 9, "mask": "m.png"}
    error = LineError(
        "a.jsonl:3", UsageError("{strength} is odd", "try {steps}, {mask:name}", told)
    )
    assert error.spelled(as_option) == (
        'a.jsonl:3: "strength": 0.7 is odd',
        'try --steps 9, "mask"',
    )
