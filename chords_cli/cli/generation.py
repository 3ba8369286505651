"""What the commands that make pictures and videos share: options to a request, results shown."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import typer

from chords_cli.cli.download import fetch_missing
from chords_cli.cli.inputs import parse_inputs
from chords_cli.cli.options import options_for, parse_loras
from chords_cli.errors import UsageError
from chords_cli.runs.settings.hosts import HostOptions, find_place
from chords_cli.runs.settings.options.request import Request
from chords_cli.ui.console import Console

if TYPE_CHECKING:
    from chords_cli.engine.hosts.places import Place
    from chords_cli.engine.hosts.remote import Hosts

MOST_WORDS = 8
"""How many prompts of one word are listed when the user may have forgotten quotes."""


def make(kind: Literal["image", "video"], options: Mapping[str, Any]) -> None:
    """Runs what the command's `options` ask for, and shows the results.

    Raises:
        ChordsError: An option is wrong, or the run failed.
    """
    console = make_console(options["json"], options["quiet"], options["verbose"])
    request = make_request(kind, options)
    count = len(request.prompts)
    if count > 1 and not any(" " in prompt for prompt in request.prompts):
        words = ", ".join(map(repr, request.prompts[:MOST_WORDS]))
        more = ", ..." if count > MOST_WORDS else ""
        console.say(f"{count} prompts: {words}{more}; quote a prompt of several words")
    place = find_place(HostOptions(**options_for(HostOptions, options)), os.environ)
    if options["dry_run"]:
        _show_dry_run(console, request, place)
    elif place is None:
        _show_run(console, request, download=options["download"])
    else:
        _run_on_hosts(console, request, place, download=options["download"])


def make_console(json: bool, quiet: bool, verbose: bool) -> Console:
    """Makes the console that the options ask for.

    Raises:
        UsageError: They contradict each other.
    """
    if verbose and (quiet or json):
        other = "--quiet" if quiet else "--json"
        raise UsageError(f"--verbose and {other} exclude each other", "give one of them")
    return Console("json" if json else "quiet" if quiet else "human", verbose=verbose)


def make_request(kind: Literal["image", "video"], options: Mapping[str, Any]) -> Request:
    """Makes a request from those options that are about the run."""
    prompts, loras = tuple(options["prompts"] or ()), parse_loras(options["loras"] or ())
    _check_scales(prompts, loras)
    values = options_for(Request, options) | {"prompts": prompts, "loras": loras}
    return Request(kind=kind, **values | parse_inputs(options))


def _check_scales(prompts: tuple[str, ...], loras: tuple[tuple[str, float], ...]) -> None:
    """Refuses a number as a prompt beside a LoRA: earlier versions took it as the LoRA's scale."""
    for prompt in prompts if loras else ():
        if re.fullmatch(r"-?\d*\.?\d+", prompt):
            raise UsageError(
                f"prompt {prompt!r} is a number, and there is a LoRA",
                f"write its scale with it, as in {{loras}}={prompt}",
                {"loras": loras[0][0]},
            )


def _show_dry_run(console: Console, request: Request, place: "Place | None") -> None:
    from chords_cli.runs.generate.dry_run import dry_run
    from chords_cli.runs.generate.hosts import alone, check_way
    from chords_cli.ui.views.dry_run import dry_run_view

    if place:
        check_way(place)
        request = alone(request, place)
    record = dry_run(request)
    if console.mode == "json":
        console.document(record.document())
    elif console.mode == "quiet":
        for path in record.files:
            console.line(path)
    else:
        for part in dry_run_view(record, console.out.width):
            console.show(part)


def _run_on_hosts(console: Console, request: Request, place: "Place", *, download: bool) -> None:
    """Runs the terminal of several hosts, or serves it."""
    from chords_cli.runs.generate.hosts import alone, gathered, serve
    from chords_cli.runs.generate.run import prepare

    if download:
        fetch_missing(console, [prepare(alone(request, place)).settings.preset])
    say = (lambda text: None) if place.local else console.say  # one speaks for its host
    if place.number == 0:
        with gathered(request, place, say) as hosts:
            _show_run(console, request, hosts=hosts)
    elif error := serve(request, place, say):
        if place.local:
            raise typer.Exit(error.exit_code)
        raise error


def _show_run(
    console: Console, request: Request, *, download: bool = False, hosts: "Hosts | None" = None
) -> None:
    from chords_cli.runs.generate.restore import restore
    from chords_cli.runs.generate.run import generate, prepare
    from chords_cli.runs.settings.layouts.capacity import check_memory
    from chords_cli.ui.live.watching import watching
    from chords_cli.ui.views.summary import paths, summary

    prepared = None
    if download:
        prepared = prepare(request)
        check_memory(prepared.settings.demand, guess=True)
        fetch_missing(console, [prepared.settings.preset])
        prepared = replace(prepared, began=time.monotonic())
    with watching(console) as listener:
        prepared = prepared or prepare(request, starts=True, hosts=hosts)
        make_record = generate if request.from_latent is None else restore
        record = make_record(prepared, listener)
    if console.mode == "json":
        console.document(record.document())
        return
    console.say(summary(record, prepared.earlier.count))
    for path in paths(record):
        console.line(path)
