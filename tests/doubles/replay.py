"""The events of runs that never took place, to test what is drawn from them and to look at it.

`python -m tests.doubles.replay --cores 4` shows the live panel; `--verbose` and pipes work as for
real.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

from chords_cli import events
from chords_cli.sampler.plan import Plan, chords_plan
from chords_cli.sampler.starts import default_init_t
from chords_cli.sampler.stop import StopRule
from chords_cli.ui.console import Console
from chords_cli.ui.live.watching import watching

PROMPT = "a red circle left of a blue square on a yellow background"


def run_events(
    plan: Plan, *, index: int = 1, prompts: int = 1, device: str = "cuda:{}", pace: float = 0.1
) -> Iterator[events.Event]:
    """The events of a run of `plan` to output `index`, `pace` seconds a round, from time 0."""
    needed = plan.until(index)
    devices = tuple(device.format(core) for core in range(plan.cores))
    stop = StopRule(index=index)
    yield events.RunResolved(
        at=0.0, model="FLUX.1-dev", plan=needed, stop=stop, devices=devices, output="outputs/x"
    )
    for core, name in enumerate(devices):
        yield events.CoreStarted(at=0.1, core=core, device=name)
    for second, done in enumerate((0, 9_600_000_000, 23_800_000_000, 24_000_000_000)):
        for core in range(plan.cores):
            loading = {"what": "vae" if second > 1 else "transformer", "total": 24_000_000_000}
            yield events.CoreLoading(at=0.2 + second, core=core, done=done, **loading)
    for core in range(plan.cores):
        parts = ("transformer", "vae") if core else ("text_encoder", "transformer", "vae")
        yield events.CoreReady(at=4.0, core=core, components=parts, seconds=3.8)
    for number in range(1, prompts + 1):
        for event in _sample(needed, index, number, prompts, pace):
            yield replace(event, at=event.at + 4 + (number - 1) * (plan.rounds(index) * pace + 2))


def _sample(
    plan: Plan, index: int, number: int, prompts: int, pace: float
) -> Iterator[events.Event]:
    path = f"outputs/x/{number:04}-a-red-circle.png"
    yield events.PromptStarted(at=0.0, number=number, total=prompts, prompt=PROMPT, seed=42)
    for core in range(plan.cores):
        yield events.CoreEncoded(at=0.5, core=core, seconds=0.5 if core == 0 else 0.01)
    for round in range(plan.rounds(index)):
        at = 0.5 + (round + 1) * pace
        for core in range(plan.cores):
            if round < plan.evaluations[core]:
                yield _step(plan, core, round, at)
            if round + 1 == plan.evaluations[core]:
                yield events.CoreArrived(at=at, core=core)
        for hit in plan.hits:
            if hit.round == round + 1:
                residual = 0.21 / hit.index if hit.index else None
                yield events.OutputLanded(
                    at=at,
                    core=hit.core,
                    index=hit.index,
                    round=hit.round,
                    residual=residual,
                    seconds=at,
                )
    chosen = plan.hits[index]
    at = 0.5 + plan.rounds(index) * pace
    yield events.CoreDecoding(at=at, core=chosen.core, index=index)
    yield events.OutputSaved(at=at + 1, index=index, path=path)
    yield events.PromptDone(at=at + 1, number=number, path=path, seconds=at + 1)


def _step(plan: Plan, core: int, round: int, at: float) -> events.CoreStepped:
    rectified = round in plan.incoming(core)
    return events.CoreStepped(
        at=at,
        core=core,
        round=round,
        step=plan.walks[core][round],
        stop=plan.reached(core, round),
        evaluations=plan.evaluations[core],
        correction=0.3 * core / (round + 1) ** 1.5 if rectified else None,
        waited=0.02,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--cores", type=int, default=4)
    parser.add_argument("--index", type=int, default=1)
    parser.add_argument("--prompts", type=int, default=1)
    parser.add_argument("--device", default="cuda:{}")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    plan = chords_plan(options.steps, default_init_t(options.steps, options.cores))
    began = time.monotonic()
    with watching(Console(verbose=options.verbose)) as listen:
        for event in run_events(
            plan, index=options.index, prompts=options.prompts, device=options.device
        ):
            time.sleep(max(0.0, began + event.at - time.monotonic()))
            listen(replace(event, at=began + event.at))


if __name__ == "__main__":
    main()
