"""The options of the commands as typer reads them.

The options of runs and comparisons are declared in `runs.settings.options.request` and
`runs.compare.request`; here are those that only the command line has. `accepts` gives a command its
signature.
"""

import inspect
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from chords_cli.errors import UsageError
from chords_cli.runs.compare.request import CompareRequest
from chords_cli.runs.inputs.files import Picture
from chords_cli.runs.settings.hosts import HostOptions
from chords_cli.runs.settings.options.option import (
    ARMS,
    INPUTS,
    MACHINE,
    MODEL,
    OUTPUT,
    PICTURE,
    PLAN,
    SHOWN,
    SOURCE,
    Option,
    options_of,
)
from chords_cli.runs.settings.options.request import Request

GROUPS = (None, MODEL, INPUTS, ARMS, PLAN, PICTURE, OUTPUT, SOURCE, MACHINE, SHOWN)
"""The order in which `--help` lists options."""

Command = Callable[..., None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandOptions:
    """The options that are about a command and not about a run."""

    name: Annotated[
        str | None,
        Option(None, "The preset to show in full.", completion="models"),
    ] = None
    models: Annotated[
        tuple[str, ...],
        Option(
            None,
            "Presets, preset files or repositories such as owner/name. Without any: a table.",
            completion="models",
        ),
    ] = ()
    all: Annotated[bool, Option(SOURCE, "Every preset that is a repository of the hub.")] = False
    revision: Annotated[str | None, Option(SOURCE, "A branch, tag or commit.")] = None
    variant: Annotated[str | None, Option(SOURCE, "A variant of the weights, such as fp16.")] = None
    cache_dir: Annotated[
        Path | None, Option(SOURCE, "Another cache than that of HF_HUB_CACHE or HF_HOME.")
    ] = None
    force: Annotated[bool, Option(SOURCE, "Fetch files again that are already here.")] = False
    max_workers: Annotated[int | None, Option(SOURCE, "How many files at once, 8 by default.")] = (
        None
    )
    new: Annotated[
        str | None,
        Option(SOURCE, "Write a preset for a repository on this machine, to edit.", metavar="REPO"),
    ] = None
    verify: Annotated[
        bool, Option(SOURCE, "Compare every file of the model with the hub's hashes.")
    ] = False
    download: Annotated[
        bool, Option(MACHINE, "Fetch the model first where it is not on this machine.")
    ] = False
    count: Annotated[
        int | None,
        Option(
            MACHINE, "List how so many devices can be laid out, the best first.", flags="--devices"
        ),
    ] = None
    dry_run: Annotated[
        bool, Option(SHOWN, "Resolve and check everything, show it, load nothing.")
    ] = False
    json: Annotated[bool, Option(SHOWN, "One JSON document on standard output, nothing else.")] = (
        False
    )
    quiet: Annotated[bool, Option(SHOWN, "Only the paths of the results.", flags="--quiet/-q")] = (
        False
    )
    verbose: Annotated[bool, Option(SHOWN, "More about what happens.", flags="--verbose/-v")] = (
        False
    )


_RUN, _COMPARISON = options_of(Request), options_of(CompareRequest)
_HOSTS = options_of(HostOptions)
_ALL = {**_RUN, **_COMPARISON, **_HOSTS, **options_of(CommandOptions)}
_DEFAULTS = {
    field.name: field.default
    for declaration in (Request, CompareRequest, HostOptions, CommandOptions)
    for field in fields(declaration)
}
_COMMON = ("download", "dry_run", "json", "quiet", "verbose")

NUMBERED = [f"--{name}" for name, (_, option) in _RUN.items() if option.number]
"""The flags after whose value a number may follow."""

IMAGE = (*(name for name, (_, option) in _RUN.items() if not option.video), *_HOSTS, *_COMMON)
VIDEO = (*_RUN, *_HOSTS, *_COMMON)
COMPARISON = (
    *(name for name, (_, option) in _RUN.items() if option.compare in ("all", "both")),
    *_COMPARISON,
    *_COMMON,
)
"""The options of `chords compare`: those that all arms share, and its own."""


def accepts(*names: str) -> Callable[[Command], Command]:
    """Makes a command take the options with these names as keyword arguments."""

    def decorate(command: Command) -> Command:
        listed = sorted(names, key=lambda name: GROUPS.index(_ALL[name][1].group))
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [_make_parameter(name, *_ALL[name]) for name in listed]
        )
        return command

    return decorate


def as_option(name: str, value: Any = None) -> str:
    """Writes an option as it is typed: `--cores 4`, or `--cores` without a value."""
    flag = f"--{name.replace('_', '-')}"
    if name in _ALL:
        option = _ALL[name][1]
        flags = option.flags.strip(" /").split("/")
        flag = name if option.group is None else flags[-1 if value is False else 0] or flag
    if value is None or isinstance(value, bool):
        return flag
    return f"{flag} {shlex.quote(f'{value:g}' if isinstance(value, float) else str(value))}"


def options_for(declaration: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of a command's options for which `declaration` has a field."""
    names = {field.name for field in fields(declaration)}
    return {name: value for name, value in options.items() if name in names}


def parse_loras(values: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """Reads LoRAs that are typed as `SOURCE` or `SOURCE=SCALE`."""
    return tuple(map(_parse_lora, values))


def _parse_lora(value: str) -> tuple[str, float]:
    source, equals, scale = value.rpartition("=")
    try:
        return (source, float(scale)) if equals else (value, 1.0)
    except ValueError:  # the equals sign is part of a file name
        return value, 1.0


def _make_parameter(name: str, type: Any, option: Option) -> inspect.Parameter:
    """Makes the parameter that typer reads; an option of several values is typed repeatedly."""
    default = _DEFAULTS[name]
    if get_origin(type) is tuple:
        type, default = list[str] | None, None
    elif Picture in get_args(type):  # only Python has one
        type = str | None
    completions = {"models": _complete_model, "devices": _complete_devices, None: None}
    completion = completions[option.completion]
    help = option.help + _say_default(name, type, option)
    metavar = option.metavar or _metavar(type)
    if option.group is None:
        info = typer.Argument(help=option.help, show_default=False, autocompletion=completion)
    else:
        flags = option.flags or f"--{name.replace('_', '-')}"
        info = typer.Option(
            *([flags] if "/--no-" in flags else flags.split("/")),
            help=help,
            rich_help_panel=option.group,
            autocompletion=completion,
            metavar=metavar,
            parser=_parse_folder if name == "output" else None,
            show_default=False,
        )
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[type, info])


_METAVARS: Mapping[Any, str] = {
    int: "NUMBER",
    float: "NUMBER",
    str: "TEXT",
    Path: "PATH",
}
"""Maps the type of a value to its placeholder in `--help`; NAME if there are fixed choices."""


def _metavar(type: Any) -> str:
    kinds = get_args(type) or (type,)
    return "" if bool in kinds else next((_METAVARS[k] for k in kinds if k in _METAVARS), "NAME")


def _say_default(name: str, type: Any, option: Option) -> str:
    """Says for `--help` which value is used if the option is not given."""
    default = _DEFAULTS[name]
    if type in (int, float):
        return f" Default: {default:g}."
    if name == "cores":
        return " Default: by the devices, or the preset's."
    if option.preset or option.call or name == "algo":
        return " Default: the preset's."
    return ""


def _parse_folder(name: str) -> Path:
    """Reads the name of a folder; refuses an empty one, which `Path` would turn into `.`."""
    if not name.strip():
        raise UsageError("output is empty", "name a folder with {output}", {"output": None})
    return Path(name)


def _complete_model(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offers presets; for `chords image` and `chords video` only those of the same kind."""
    from chords_cli.presets.files import available_presets, load_preset

    found, kind = [], context.info_name
    for file in available_presets():
        try:
            preset = load_preset(file.file)
        except UsageError:
            continue
        if kind not in ("image", "video") or preset.kind == kind:
            found.append((file.name, preset.title))
    return found


def _complete_devices(incomplete: str) -> list[str]:
    """Offers `cpu` and the CUDA devices that the driver shows, without asking torch."""
    count = len(list(Path("/dev").glob("nvidia[0-9]*")))
    typed, comma, _ = incomplete.rpartition(",")
    return [f"{typed}{comma}{name}" for name in (*(f"cuda:{n}" for n in range(count)), "cpu")]
