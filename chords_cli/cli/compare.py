"""`chords compare`."""

import os
from typing import TYPE_CHECKING, Any

from chords_cli.cli.download import fetch_missing
from chords_cli.cli.generation import make_console, make_request
from chords_cli.cli.options import COMPARISON, accepts, options_for
from chords_cli.runs.settings.hosts import refuse_hosts
from chords_cli.ui.console import Console

if TYPE_CHECKING:
    from chords_cli.runs.compare.request import CompareRequest


@accepts(*COMPARISON)
def compare(**options: Any) -> None:
    """Make the same picture in several ways: what do several devices buy beyond one?

    An arm is sequential, few-steps, chords or wavefront, and settings of its own:
    model, scheduler, cores, steps, init_t, rounds, speedup, stop_index, stop_residual,
    guidance, negative_prompt, strength, dtype, devices, context, and guidance_split, which
    needs no value.
    few-steps is sequential with as many steps as the fastest other arm has rounds;
    wavefront cores=1 takes as many.
    scheduler is dpm++2m or unipc in the place of the model's own. cache is a step
    cache of diffusers: first-block, taylorseer, mag, faster or pyramid, with its
    parameters after colons, or own for the one that the preset names.

    [bold]Examples[/bold]

    chords compare "a red star on a white background" --cores 4

    chords compare --arm sequential --arm few-steps --arm chords --arm "chords stop_index=2"

    chords compare --prompt-file prompts.txt --num 3 --repeat 5 --output shapes
    """
    console = make_console(options["json"], options["quiet"], options["verbose"])
    refuse_hosts(os.environ, "chords compare")
    request = _make_request(options)
    if options["dry_run"]:
        _show_dry_run(console, request)
    else:
        _show_comparison(console, request, download=options["download"])


def _make_request(options: dict[str, Any]) -> "CompareRequest":
    from chords_cli.models.repositories import find_model
    from chords_cli.presets.files import model_or_default
    from chords_cli.runs.compare.request import CompareRequest

    kind = find_model(model_or_default(options["model"])).kind
    values = options_for(CompareRequest, options) | {"arm": tuple(options["arm"] or ())}
    return CompareRequest(base=make_request(kind, options), **values)


def _show_dry_run(console: Console, request: "CompareRequest") -> None:
    from chords_cli.runs.compare.run import dry_run
    from chords_cli.ui.views.compare import arms_table

    record = dry_run(request)
    if console.mode == "json":
        console.document(record.document())
        return
    if console.talks:
        console.show(arms_table(record))
        notes = [note for arm in record.arms if arm.note for note in arm.note.splitlines()]
        for note in dict.fromkeys([*record.missing, *record.left_out, *notes]):
            console.say(note)
    for path in record.files:
        console.line(path)


def _show_comparison(console: Console, request: "CompareRequest", *, download: bool) -> None:
    from chords_cli.runs.compare.comparison import PAGE, resolve_comparison
    from chords_cli.runs.compare.run import compare as run
    from chords_cli.runs.settings.layouts.capacity import check_memory
    from chords_cli.ui.live.watching import watching
    from chords_cli.ui.page.page import render
    from chords_cli.ui.views.compare import explanations, results_table

    comparison = None
    if download:
        comparison = resolve_comparison(request)
        for arm in comparison.arms:
            check_memory(arm.settings.demand, guess=True)
        fetch_missing(console, [arm.settings.preset for arm in comparison.arms])
        comparison = None  # resolved again: only a model that is here tells its scheduler
    with watching(console) as listener:
        record = run(comparison or resolve_comparison(request, starts=True), listener, render)
    if console.mode == "json":
        console.document(record.document())
        return
    if console.talks:
        if record.answer:
            console.show(f"{record.answer}\n")
        console.show(results_table(record))
        console.say(explanations(record))
    console.line(f"{record.output}/{PAGE}")
