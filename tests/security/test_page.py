"""Every line of `docs/security.md` names a test, and every test that it names exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()


def test_every_test_that_the_page_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 30
    for file, test in named:
        tree = ast.parse((ROOT / file).read_text())
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_every_line_of_a_table_names_its_test():
    rows = re.findall(r"^\| (?!-|what)(.*) \|$", PAGE, re.MULTILINE)
    assert [row for row in rows if not re.search(r"`tests/\w+/", row)] == []


def test_no_sentence_is_left_out():
    assert "@@" not in PAGE


def test_the_page_is_short():
    assert len(PAGE.splitlines()) <= 150
