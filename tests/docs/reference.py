"""Writes the tables of docs/cli.md from the commands themselves: `python -m tests.docs.reference`.

An option that several commands share has one row, which names them. A test compares the page with
what this would write.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from chords_cli.cli.app import app
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "cli.md"
BEGIN, END = "<!-- from --help -->\n", "<!-- /from --help -->\n"


@dataclass(frozen=True)
class Row:
    """An option as `--help` shows it; commands that show it alike share the row.

    Attributes:
        typed: What is typed: its flags, with a short one, and its value.
        help: What `--help` says of it.
    """

    typed: str
    help: str


def written() -> str:
    """Returns the page with tables that say what the commands say now."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join((*_overview(), *_options())) + "\n" + END + after


def _overview() -> Iterator[str]:
    yield from ("## Commands", "")
    yield from ("| command | what it does | arguments |", "|---|---|---|")
    for name, command in _commands().items():
        taken = [one for one in command.params if one.param_type_name == "argument"]
        arguments = "; ".join(f"`{_argument(one)}`: {one.help}" for one in taken)
        first = command.help.partition("\n")[0]
        yield f"| `chords {name}` | {first} | {arguments} |"
    yield ""


def _options() -> Iterator[str]:
    groups: dict[str, dict[Row, list[str]]] = {}
    for name, command in _commands().items():
        for option in command.params:
            if option.param_type_name == "option":
                row = Row(_typed(option), option.help.replace("|", "\\|"))
                groups.setdefault(option.rich_help_panel, {}).setdefault(row, []).append(name)
    for group, rows in groups.items():
        yield from (f"## {group}", "", "| option | commands | what it does |", "|---|---|---|")
        for row, commands in rows.items():
            yield f"| {row.typed} | {', '.join(commands)} | {row.help} |"
        yield ""


def _commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def _argument(parameter: Any) -> str:
    return f"{parameter.name}..." if parameter.nargs == -1 else str(parameter.name)


def _typed(option: Any) -> str:
    """Writes `--cores NUMBER`, `-k`, or what turns something off."""
    flags = sorted([*option.opts, *option.secondary_opts], key=len, reverse=True)
    flags = sorted(flags, key=lambda flag: (len(flag) == 2, flag.startswith("--no-")))
    value = re.sub(r'^"(.*)"$', r"\1", option.metavar or "")
    first = f"`{flags[0]} {value}".strip().replace("|", "\\|") + "`"
    return ", ".join((first, *(f"`{flag}`" for flag in flags[1:])))


if __name__ == "__main__":
    PAGE.write_text(written())
