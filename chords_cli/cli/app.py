"""`chords`: assembles the commands; holds the only try/except that turns errors into exit codes."""

import difflib
import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from chords_cli import __version__
from chords_cli.cli.compare import compare
from chords_cli.cli.doctor import doctor
from chords_cli.cli.download import download
from chords_cli.cli.image import image
from chords_cli.cli.inputs import join_numbers
from chords_cli.cli.options import NUMBERED, as_option
from chords_cli.cli.plan import plan
from chords_cli.cli.presets import presets
from chords_cli.cli.video import video
from chords_cli.errors import ChordsError, Interrupted, StdoutError, either, refused_by_system
from chords_cli.ui.console import (
    Console,
    ignore_no_width,
    let_go_of_dead_terminals,
    never_fail_on_encoding,
    open_closed_streams,
)

END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end the program as Ctrl-C does: with all of its clean-up."""

LEAST_FOR_BOXES = 80
"""Columns of a terminal where boxes around the help of a command do not cut options' names."""

COMMANDS = (image, video, compare, download, plan, presets, doctor)

_REWORDED = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "not a whole number",
    "Input should be a valid number, unable to parse string as a number": "not a number",
}
"""Maps typer's words for what is wrong with a value to ours."""


def _show_no_types(parameters: list[Any]) -> list[Any]:
    """Shows flags and arguments without a type in `--help`: one has no value, the other is text."""
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = lambda ctx: None
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


class _Command(TyperCommand):
    def format_help(self, ctx: Any, formatter: Any) -> None:
        narrow = shutil.get_terminal_size().columns < LEAST_FOR_BOXES
        if narrow or os.environ.get("TERM") == "dumb":
            self.rich_markup_mode = None
            self.help = re.sub(r"\[/?bold\]", "", self.help or "")
        super().format_help(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, join_numbers(args, NUMBERED))

    def get_params(self, ctx: Any) -> list[Any]:
        return _show_no_types(super().get_params(ctx))


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _show_no_types(super().get_params(ctx))


app = typer.Typer(
    name="chords",
    cls=_Group,
    help="One diffusion sample sooner: several cores solve its ODE together.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


for _command in COMMANDS:
    app.command(cls=_Command)(_command)


def main() -> None:
    """Runs the program; prints no traceback unless CHORDS_DEBUG=1 asks for it."""
    open_closed_streams()
    never_fail_on_encoding()
    ignore_no_width()
    for number in (signal.SIGINT, *END_SIGNALS):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP; so do we
            signal.signal(number, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    console = Console("json" if "--json" in options else "human")
    try:
        return app(list(arguments), prog_name="chords", standalone_mode=False) or 0
    except Interrupted as end:
        console.error(*end.spelled(as_option))
        return end.exit_code
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets one line
        return _report(console, error, arguments)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ends the program by an exception; later signals are ignored, to let the clean-up finish."""
    for other in (signal.SIGINT, *END_SIGNALS):
        signal.signal(other, signal.SIG_IGN)
    let_go_of_dead_terminals()
    raise Interrupted(number)


def _report(console: Console, error: Exception, arguments: Sequence[str]) -> int:
    """Prints what went wrong and what to do; returns the exit code for that kind of error."""
    if os.environ.get("CHORDS_DEBUG") == "1":
        console.traceback()
    if isinstance(error, StdoutError):
        console = Console()
    if isinstance(error, ChordsError):
        console.error(*error.spelled(as_option))
        return error.exit_code
    if isinstance(error, typer.TyperException):
        # typer's errors do not always say which command was typed
        names = [command.__name__ for command in COMMANDS]
        typed = [word for word in arguments[:1] if word in names]
        message = error.format_message()
        for typers_words, our_words in _REWORDED.items():
            message = message.replace(typers_words, our_words)
        command = " ".join(["chords", *typed])
        message, _, possible = " ".join(message.split()).rstrip(".").partition(" (Possible options")
        near = difflib.get_close_matches(
            message.rpartition(" ")[2], _flags(possible), n=1, cutoff=0.75
        )
        meant = f"did you mean {near[0]}? " if near else _place_of(message.rpartition(" ")[2])
        console.error(message, f"{meant}`{command} --help` lists what it takes")
        return 2
    if isinstance(error, OSError | MemoryError):
        return _report(console, refused_by_system(error), arguments)
    told = " ".join(str(error).split())
    console.error(
        f"{type(error).__name__}: {told}", "this is a bug; CHORDS_DEBUG=1 for the traceback"
    )
    return 1


def _place_of(flag: str) -> str:
    """Says which command has an option that the one that was typed does not have."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    takes = [
        f"`chords {name}`"
        for name, command in commands.items()
        if any(flag in parameter.opts for parameter in command.params)
    ]
    return f"{either(takes)} has {flag}; " if takes else ""


def _flags(text: str) -> list[str]:
    """Finds the options that typer suggests in place of one that does not exist."""
    return re.findall(r"--[a-z-]+", text)


def _show_version(wanted: bool) -> None:
    if wanted:
        Console().line(f"chords {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _chords(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
