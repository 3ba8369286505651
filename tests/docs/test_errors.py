"""Errors that a page quotes are those of the program: `| it says | ... |` begins their tables.

Dots and words in capitals stand for values.
"""

import ast
import re

import pytest

from tests.docs.pages import PAGES, ROOT

TITLE = "| it says |"


def pieces_of_code() -> str:
    """All text of the package's source between the values that are put into it."""
    found = []
    for file in sorted((ROOT / "chords_cli").rglob("*.py")):
        nodes = ast.walk(ast.parse(file.read_text()))
        found += [one.value for one in nodes if isinstance(one, ast.Constant)]
    return "\n".join(text for text in found if isinstance(text, str))


def quoted(page: str) -> list[str]:
    """The texts in the first column of every such table."""
    tables = [part.split("\n\n")[0] for part in page.split(TITLE)[1:]]
    return [text for table in tables for text in re.findall(r"^\| `([^`]+)` \|", table, re.M)]


QUOTED = [(page.name, text) for page in PAGES for text in quoted(page.read_text())]


@pytest.fixture(scope="module")
def said() -> str:
    return pieces_of_code()


@pytest.mark.parametrize(("page", "text"), QUOTED)
def test_an_error_that_a_page_quotes_is_in_the_code(page, text, said):
    for piece in re.split(r"\.\.\.|[:,;] |[A-Z_]{7,}", text):
        assert piece.strip(" :,;") in said, f"{page}: {piece}"


def test_errors_are_quoted_at_all_and_nonsense_is_noticed(said):
    assert len(QUOTED) > 20
    assert "this was never said by anybody" not in said
