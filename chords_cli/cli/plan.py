"""`chords plan`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chords_cli.cli.options import accepts
from chords_cli.errors import UsageError
from chords_cli.ui.console import Console

if TYPE_CHECKING:
    from chords_cli.sampler.plan import Plan


@accepts(
    *("model", "algo", "cores", "steps", "init_t", "rounds", "speedup", "guidance", "stop_index"),
    *("count", "num", "exact", "json"),
)
def plan(
    json: bool,
    model: str | None,
    init_t: str | None,
    guidance: float | None,
    stop_index: int | None,
    count: int | None,
    num: int | None,
    exact: bool,
    **options: Any,
) -> None:
    """Draw who computes what when: rounds, speed-up and cost. No model is needed.

    [bold]Examples[/bold]

    chords plan --cores 8

    chords plan --steps 30 --init-t 0-5-10-20 --stop-index 2

    chords plan --cores 4 --speedup 4

    chords plan --devices 8 --model wan2-1 --num 16
    """
    if count is not None or num is not None or exact:
        said = {"init_t": init_t, "stop_index": stop_index, **options}
        _list_layouts(model, guidance, count, num, said, exact=exact, json=json)
        return
    from chords_cli.models.repositories import find_model
    from chords_cli.presets.files import model_or_default
    from chords_cli.runs.settings.layouts.placement import default_plan
    from chords_cli.runs.settings.options.call import resolve_call
    from chords_cli.runs.settings.options.request import Request
    from chords_cli.sampler.choice import PlanChoice, parse_init_t, resolve_plan
    from chords_cli.sampler.stop import resolve_stop

    preset = find_model(model_or_default(model))
    resolve_call(Request(kind=preset.kind, guidance=guidance), preset)  # which checks the guidance
    starts = None if init_t is None else parse_init_t(init_t)
    default = default_plan(preset, guidance)
    resolved = resolve_plan(default, PlanChoice(init_t=starts, **options))
    stop = resolve_stop(preset.stop, resolved.cores, stop_index=stop_index)
    index = stop.latest(resolved)
    if json:
        Console("json").document(_make_document(resolved, index))
    else:
        asked = options["cores"] or default.cores
        _draw(resolved, index, latest=stop.fixed is None, asked=asked)


def _list_layouts(
    model: str | None,
    guidance: float | None,
    count: int | None,
    num: int | None,
    asked: dict[str, Any],
    *,
    exact: bool,
    json: bool,
) -> None:
    """Lists how devices can be laid out for so many pictures.

    Raises:
        UsageError: No number of devices is given, or an option says how a picture is made.
    """
    from chords_cli.runs.settings.layouts.laying_out import list_layouts
    from chords_cli.runs.settings.samples import MOST_SAMPLES
    from chords_cli.sampler.choice import MOST_CORES, DefaultPlan, resolve_plan
    from chords_cli.ui.views.layouts import layouts_view

    steps = asked.pop("steps")
    pictures = 1 if num is None else num
    if count is None or not 1 <= count <= MOST_CORES or not 1 <= pictures <= MOST_SAMPLES:
        said = "not given" if count is None else count
        raise UsageError(
            f"layouts are for 1 to {MOST_CORES} devices and 1 to {MOST_SAMPLES} pictures, but "
            f"devices is {said} and num is {pictures}",
            "give {count}, and {num} if there are several pictures",
            {"count": 8, "num": 16},
        )
    for name, value in asked.items():
        if value is not None:
            raise UsageError(
                f"{{count:name}} lists layouts, and {name} is {value} in all of them",
                f"leave out {{count:name}} or {{{name}}}",
                {"count": None, name: value},
            )
    if steps is not None:
        resolve_plan(DefaultPlan(steps=steps, cores=1, algo="sequential"))  # which checks them
    listed = list_layouts(
        model, devices=count, pictures=pictures, steps=steps, guidance=guidance, exact=exact
    )
    console = Console("json" if json else "human")
    if json:
        console.document(listed.document())
    else:
        for part in layouts_view(listed, console.out.width):
            console.show(part)


def _draw(plan: "Plan", index: int, *, latest: bool, asked: int) -> None:
    from chords_cli.ui.views.plan import plan_chart, plan_note, plan_summary
    from chords_cli.ui.views.tables import outputs_table

    console = Console()
    parts = (
        plan_chart(plan, index, console.out.width),
        plan_summary(plan, index, latest=latest),
        outputs_table(plan, index),
        *filter(None, [plan_note(plan, asked)]),
    )
    for part in parts:
        console.show(part)
        console.show("")


def _make_document(plan: "Plan", index: int) -> dict[str, Any]:
    """Returns the plan as JSON, with the messages and evaluations that output `index` needs."""
    from chords_cli.sampler.rounds import expected_error

    needed = plan.until(index)
    return {
        "algo": plan.algo,
        "steps": plan.steps,
        "cores": plan.cores,
        "init_t": plan.init_t,
        "planned_rounds": plan.planned_rounds,
        "guidance": plan.guidance,
        "expected_error": asdict(expected) if (expected := expected_error(plan)) else None,
        "stop_index": index,
        "rounds": plan.rounds(index),
        "speedup": plan.speedup(index),
        "nfe_total": plan.nfe_total(index),
        "nfe_run": plan.nfe_run(index),
        "nfe_wasted": plan.nfe_wasted(index),
        "walks": plan.walks,
        "evaluations": needed.evaluations,
        "messages": [
            {"round": m.round, "core": m.core, "start": m.start, "stop": m.stop}
            for m in needed.messages
        ],
        "outputs": [
            {
                "index": hit.index,
                "core": hit.core,
                "round": hit.round,
                "speedup": plan.speedup(hit.index),
                "nfe_total": plan.nfe_total(hit.index),
                "nfe_run": plan.nfe_run(hit.index),
            }
            for hit in plan.hits
        ],
    }
