"""What further devices buy: `python -m benchmarks.split [--json] [--runs N]`.

Three numbers, on this machine's CPU cores alone, one thread a process:

    computed   the built-in image model at 256x256, every step taken: seconds of one process over
               those of one core x 2 (guidance split), medians of runs in turns. At most 2; needs
               two idle CPU cores
    waited     a wavefront on two cores x 2 whose model takes 100 ms for a row of its batch, by
               waiting: rounds x 100 ms over the seconds of sampling. At most 1: what is missing is
               all that answers, latents and the pool add to a round
    pictures   eight pictures by four groups of one process, whose model waits for 100 ms a call:
               their seconds over those of two pictures by one process. At least 1
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

from chords_cli.engine import pool as pool_module
from chords_cli.engine import processes
from chords_cli.engine import settings as settings_module
from chords_cli.engine.messages import WorkerSpec
from chords_cli.engine.pool import Pool, PoolSettings, Wanted
from chords_cli.models.weights import model_folder
from chords_cli.runs.generate.run import pool_settings
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.sampler import sequential_plan, wavefront_plan
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule

BRANCH = 0.1
"""Seconds that the waiting model takes for one row of its batch."""

PROMPT, SEED = "a red heart left of a blue square", 42

STEPS = 28


def waiting_worker(spec: WorkerSpec, pipe: Connection, lifeline: Connection) -> None:
    """Begins a worker whose denoiser waits for as long as a slow one would compute."""
    from diffusers import FluxTransformer2DModel

    stock: Callable[..., Any] = FluxTransformer2DModel.forward

    def forward(self: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        answer = stock(self, hidden_states, *args, **kwargs)
        time.sleep(max(0.0, BRANCH * len(hidden_states) - (time.monotonic() - began)))
        return answer

    FluxTransformer2DModel.forward = forward
    processes.worker_process(spec, pipe, lifeline)


def demo(size: int, *, cores: int, split: bool) -> tuple[PoolSettings, dict[str, Any]]:
    """The built-in image model on so many cores, and its call."""
    request = Request(
        kind="image", devices="cpu", cores=cores, width=size, height=size, guidance_split=split
    )
    settings = resolve(request)
    start = pool_settings(settings, model_folder(settings.preset))
    call = settings.call | {"prompt": PROMPT, "num_inference_steps": STEPS}
    return start, call


def sampled(pool: Pool, plan: Plan, call: dict[str, Any]) -> float:
    """Seconds from the encoded prompt to the result."""
    return pool.sample(plan, call, SEED, StopRule()).sample_seconds


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Every process computes with one thread, however many CPU cores are free."""
    with ExitStack() as patches:
        for module in (settings_module, pool_module):
            patches.enter_context(patch.object(module, "threads_each", lambda count: 1))
        yield


def computed(runs: int) -> dict[str, float]:
    """Measures one process and one core x 2 in turns."""
    plan = sequential_plan(STEPS)
    whole, call = demo(256, cores=1, split=False)
    halves, _ = demo(256, cores=1, split=True)
    with Pool(whole, lambda event: None) as alone, Pool(halves, lambda event: None) as both:
        for pool in (alone, both):
            sampled(pool, plan, call)
        seconds = [(sampled(alone, plan, call), sampled(both, plan, call)) for _ in range(runs)]
    one, two = (statistics.median(side) for side in zip(*seconds, strict=True))
    return {"one process": one, "one core x 2": two, "gain": one / two}


def waited(runs: int) -> dict[str, float]:
    """Measures a wavefront whose model only waits."""
    plan = wavefront_plan(STEPS, 2, 13, 3.5)
    start, call = demo(64, cores=2, split=True)
    with (
        patch.object(processes, "_start", _starting(_waiting())),
        Pool(start, lambda event: None) as pool,
    ):
        sampled(pool, plan, call)
        seconds = statistics.median(sampled(pool, plan, call) for _ in range(runs))
    least = plan.rounds(1) * BRANCH
    return {
        "rounds": plan.rounds(1),
        "least": least,
        "seconds": seconds,
        "of ideal": least / seconds,
    }


def pictures(runs: int) -> dict[str, float]:
    """Measures four groups against one, with a model that only waits."""
    plan, begin = sequential_plan(STEPS), _waiting()
    start, call = demo(64, cores=1, split=False)
    seconds = {}
    with patch.object(processes, "_start", _starting(begin)):
        for many, count in ((4, 8), (1, 2)):
            settings = replace(start, devices=("cpu",) * many, groups=many)
            wanted = [
                Wanted(plan=plan, call=call, seed=seed, stop=StopRule(), again=True)
                for seed in range(count)
            ]
            with Pool(settings, lambda event: None) as pool:
                for _ in pool.each(wanted[:many]):
                    pass
                seconds[many] = statistics.median(_timed(pool, wanted) for _ in range(runs))
    return {
        "eight by four groups": seconds[4],
        "two by one": seconds[1],
        "ratio": seconds[4] / seconds[1],
    }


def _timed(pool: Pool, wanted: list[Wanted]) -> float:
    began = time.monotonic()
    for _ in pool.each(wanted):
        pass
    return time.monotonic() - began


def _waiting() -> Callable[..., None]:
    """Returns `waiting_worker` by a name that a new process can import."""
    from benchmarks.split import waiting_worker

    return waiting_worker


def _starting(begin: Callable[..., None]) -> Callable[..., Any]:
    stock = processes._start

    def start(context: Any, spec: WorkerSpec) -> Any:
        with patch.object(processes, "worker_process", begin):
            return stock(context, spec)

    return start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with one_thread_each():
        found = {
            "computed": computed(options.runs),
            "waited": waited(options.runs),
            "pictures": pictures(min(3, options.runs)),
        }
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for name, numbers in found.items():
        told = ", ".join(f"{what} {value:.3f}" for what, value in numbers.items())
        sys.stdout.write(f"{name}: {told}\n")


if __name__ == "__main__":
    main()
