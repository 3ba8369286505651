"""What the messages of one round cost: `python -m benchmarks.hops [--json]`.

K processes, one a core, hand a latent on over the project's own exchange, as a wavefront does in
every round: core k waits for the latent of core k - 1, adds its own sum (which is ready before),
adds its share of the next core's, and sends that on. Measured from the moment at which core 0
begins until core K - 1 has its new latent; no model runs, so nothing hides the time. Two ways:

    bare      the two additions of float32 that the algorithm asks for, and the exchange
    core      the project's own core (`chords_cli.sampler`) with a stock scheduler, and all else
              that it does in a round

`alone` is what the two additions take without any exchange, a hop. `own` is what a round takes
where rounds follow one another without a pause, as in a run whose cores already wait for nobody:
the messages of the busiest core, without their way. All processes share this machine's CPU cores:
the chain is serial, so that matters little for it, but with more processes than CPU cores waking
up and gloo's own threads wait for a turn, and memory traffic is shared.

`--device cuda:0` has latents lie there: all cores share that one device, and a hop holds both
copies between it and the host.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from chords_cli.engine.exchange.line import Line
from chords_cli.engine.exchange.trials.rounds import bare
from chords_cli.engine.exchange.trials.trial import WARM_UP, Round, Times, Trial, Way
from chords_cli.engine.exchange.trials.trying import run_trial
from chords_cli.sampler import wavefront_plan
from chords_cli.sampler.algorithms import start_core

PATIENCE = 600.0
"""Seconds that all rounds of a chain may take."""


@dataclass(frozen=True)
class Chain:
    """One round's messages through all cores, in milliseconds."""

    way: str
    cores: int
    megabytes: float
    median: float
    p90: float
    worst: float
    a_hop: float
    own: float
    alone: float


def main() -> None:
    options = _parse()
    torch.set_num_threads(1)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["chords_cli.engine.exchange.trials.rounds"])
    chains = []
    for megabytes in options.megabytes:
        alone = _alone(megabytes, options.repeats, options.device)
        for cores in options.cores:
            for way in options.ways:
                trial = Trial(
                    devices=(options.device,) * cores,
                    elements=_elements(megabytes),
                    repeats=options.repeats,
                    patience=PATIENCE,
                )
                times = run_trial(trial, context, _WAYS[way])
                chains.append(_chain(way, cores, megabytes, times, alone=alone))
                sys.stderr.write(f"{megabytes:g} MB, {cores} cores, {way}: done\n")
    document = {
        "machine": _machine(),
        "device": options.device,
        "chains": [asdict(chain) for chain in chains],
    }
    sys.stdout.write(json.dumps(document, indent=1) + "\n" if options.json else _table(document))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cores", type=_several, nargs="+", default=[2, 4, 8, 16], help="of one chain; two or more"
    )
    parser.add_argument(
        "--megabytes",
        type=float,
        nargs="+",
        default=[0.5, 17.0],
        help="of one latent as it travels, in float32 (10^6 bytes)",
    )
    parser.add_argument("--ways", nargs="+", default=list(_WAYS), choices=list(_WAYS))
    parser.add_argument("--repeats", type=int, default=20, help="rounds that count")
    parser.add_argument("--device", default="cpu", help="where latents lie, such as cuda:0")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _several(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text} is no number of cores from 2 on")
    return int(text)


def _core(core: int, trial: Trial, line: Line, like: torch.Tensor) -> Round:
    """The project's core in the first rounds of a wavefront, its latent and drift given."""
    # every process of a chain imports this file, and most need no diffusers
    from diffusers import FlowMatchEulerDiscreteScheduler

    from chords_cli.pipelines.solver import StockSolver

    plan = wavefront_plan(trial.rounds + trial.cores, trial.cores, trial.rounds)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(plan.steps, device=like.device)
    solver = StockSolver(scheduler)
    solver.grid = scheduler.timesteps
    latent, drift = torch.full_like(like, 0.5), torch.full_like(like, 0.25)
    one = start_core(plan, core, solver, line)

    def step(round: int) -> None:
        one.advance(latent, drift)

    return step


_WAYS: dict[str, Way] = {"bare": bare, "core": _core}


def _alone(megabytes: float, repeats: int, device: str) -> float:
    """Milliseconds of a hop's two additions."""
    message = torch.zeros(_elements(megabytes), device=device)
    own, drift = torch.full_like(message, 0.5), torch.full_like(message, 0.25)
    times = []
    for _ in range(repeats + WARM_UP):
        _wait_for(device)
        began = time.perf_counter()
        torch.add(message.add_(own), drift, alpha=0.1)
        _wait_for(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[WARM_UP:]) * 1e3


def _chain(way: str, cores: int, megabytes: float, times: Times, *, alone: float) -> Chain:
    ordered = [1e3 * taken for taken in sorted(times.rounds)]
    median = statistics.median(ordered)
    return Chain(
        way=way,
        cores=cores,
        megabytes=megabytes,
        median=median,
        p90=ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))],
        worst=ordered[-1],
        a_hop=median / (cores - 1),
        own=1e3 * times.own,
        alone=alone,
    )


def _machine() -> dict[str, Any]:
    return {
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "torch": torch.__version__,
    }


def _table(document: dict[str, Any]) -> str:
    machine = document["machine"]
    lines = [
        f"{machine['cpus']} CPU cores, load {machine['load']} at the end, torch {machine['torch']};"
        f" milliseconds, latents on {document['device']}",
        f"{'latent':>8}{'cores':>7}  {'way':<6}"
        + "".join(f"{head:>9}" for head in ("round", "90 %", "worst", "a hop", "own", "alone")),
    ]
    crowded = False
    for chain in document["chains"]:
        many = chain["cores"] > machine["cpus"]
        crowded = crowded or many
        cells = (chain[name] for name in ("median", "p90", "worst", "a_hop", "own", "alone"))
        lines.append(
            f"{chain['megabytes']:>5g} MB{chain['cores']:>6}{'*' if many else ' '}  "
            f"{chain['way']:<6}" + "".join(f"{cell:9.2f}" for cell in cells)
        )
    if crowded:
        lines.append(f"* more processes than the {machine['cpus']} CPU cores of this machine")
    return "\n".join(lines) + "\n"


def _wait_for(device: str) -> None:
    """Until the device has done what it was told; the host always has."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def _elements(megabytes: float) -> int:
    return int(megabytes * 1e6 / 4)


if __name__ == "__main__":
    main()
