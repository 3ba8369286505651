"""How close every algorithm comes, at which latency: `python -m benchmarks.fidelity --help`.

Real processes on a real model: every arm samples the same held-out prompts from the same noise,
and its result is compared with the sequential sampler's. Latency is counted in rounds, one model
evaluation each, because that is what separate devices would take; seconds are not measured here.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chords_cli.engine.latents import as_array
from chords_cli.engine.pool import Pool, PoolSettings, SampledOutput
from chords_cli.media.metrics import psnr, rmse, ssim
from chords_cli.pipelines.spec import ModelSpec
from chords_cli.presets import Preset, find_preset
from chords_cli.sampler import (
    Plan,
    chords_plan,
    default_init_t,
    default_rounds,
    sequential_plan,
    wavefront_plan,
)
from chords_cli.sampler.stop import StopRule
from training.scenes import plain_sentence, sample_scene

VISIBLE = 0.9
"""SSIM below which a picture counts as visibly changed."""

UNIPC = {
    "class": "UniPCMultistepScheduler",
    "from_config": True,
    "args": {"prediction_type": "flow_prediction", "use_flow_sigmas": True},
}
"""A second-order multistep scheduler on the model's own kind of grid."""


@dataclass(frozen=True)
class Arm:
    """One way to the result: a plan, and the scheduler if it is not the model's own."""

    name: str
    plan: Plan
    second_order: bool = False


@dataclass(frozen=True)
class Made:
    """What an arm made of the prompts: latents and pictures, one row a prompt."""

    latents: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True)
class Row:
    """An arm's distance to the sequential result over all prompts."""

    arm: str
    cores: int
    rounds: int
    nfe: int
    guidance: float
    rmse_median: float
    rmse_p90: float
    rmse_worst: float
    psnr_median: float
    ssim_median: float
    ssim_worst: float
    changed: float


def main() -> None:
    options = _parse()
    preset = find_preset(options.model)
    prompts = _prompts(options.prompts)
    rows: list[Row] = []
    for guidance in options.guidance:
        call = preset.call | {_guidance_key(preset): guidance}
        rows += _study(preset, call, guidance, prompts, options)
        sys.stdout.write(_table(rows[-len(_arms(preset.steps)) :]))
        sys.stdout.flush()
    if options.output:
        document = {"model": preset.name, "prompts": prompts, "rows": [asdict(row) for row in rows]}
        options.output.write_text(json.dumps(document, indent=1) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo-image")
    parser.add_argument("--prompts", type=int, default=64, help="how many held-out prompts")
    parser.add_argument("--batch", type=int, default=16, help="prompts that share a call")
    parser.add_argument("--guidance", type=float, nargs="+", default=[3.5])
    parser.add_argument("--seed", type=int, default=1234)
    parser.add_argument("--output", type=Path, help="write all numbers as JSON")
    return parser.parse_args()


def _arms(steps: int) -> list[Arm]:
    chords = [Arm(f"chords K={k}", chords_plan(steps, default_init_t(steps, k))) for k in (2, 4, 8)]
    rounds = {1: {25}, 2: {25}, 4: {12, 15, 21}, 8: {9, 12, 17}}
    fronts = [
        Arm(f"wavefront K={k}", wavefront_plan(steps, k, r))
        for k, several in rounds.items()
        for r in sorted(several | {default_rounds(steps, k)})
    ]
    few = [Arm("few-step Euler", sequential_plan(n)) for n in (12, 15, 17, 21, 25)]
    multistep = [replace(arm, name="few-step UniPC", second_order=True) for arm in few]
    return [*few, *multistep, *chords, *fronts]


def _study(
    preset: Preset,
    call: dict[str, Any],
    guidance: float,
    prompts: list[str],
    options: argparse.Namespace,
) -> Iterator[Row]:
    """One row an arm, at one guidance."""
    arms = _arms(preset.steps)
    reference = Arm("sequential", sequential_plan(preset.steps))
    made: dict[int, Made] = {}
    for second_order in (False, True):
        wanted = [n for n, arm in enumerate(arms) if arm.second_order == second_order]
        cores = max(arms[n].plan.cores for n in wanted)
        with Pool(_settings(preset, cores, second_order), lambda event: None) as pool:
            if not second_order:
                exact = _sample(pool, reference, call, prompts, options)
            for n in wanted:
                made[n] = _sample(pool, arms[n], call, prompts, options)
    for n, arm in enumerate(arms):
        yield _row(arm, guidance, made[n], exact)


def _settings(preset: Preset, cores: int, second_order: bool) -> PoolSettings:
    assert preset.path is not None, "the study runs on built-in models"
    scheduler = preset.scheduler.model_dump(by_alias=True) if preset.scheduler else None
    spec = ModelSpec(
        folder=str(preset.path),
        pipeline=preset.pipeline,
        dtype=preset.dtype,
        scheduler=UNIPC if second_order else scheduler,
    )
    return PoolSettings(model=spec, devices=("cpu",) * cores, decoders=frozenset(range(cores)))


def _sample(
    pool: Pool, arm: Arm, call: dict[str, Any], prompts: list[str], options: argparse.Namespace
) -> Made:
    latents, frames = [], []
    for first in range(0, len(prompts), options.batch):
        batch = prompts[first : first + options.batch]
        asked = call | {
            "prompt": batch,
            "negative_prompt": [call.get("negative_prompt") or ""] * len(batch),
            "num_inference_steps": arm.plan.steps,
        }
        taken: list[SampledOutput] = []
        done = pool.sample(
            arm.plan, asked, options.seed + first, StopRule(), on_output=taken.append
        )
        latents.append(as_array(done.outputs[done.chosen].latent))
        assert taken[0].frames is not None
        frames.append(taken[0].frames)
    return Made(np.concatenate(latents), np.concatenate(frames))


def _row(arm: Arm, guidance: float, made: Made, exact: Made) -> Row:
    errors = [rmse(a, b) for a, b in zip(made.latents, exact.latents, strict=True)]
    pictures = list(zip(made.frames[:, None], exact.frames[:, None], strict=True))
    likeness = [ssim(a, b) or 0.0 for a, b in pictures]
    return Row(
        arm=arm.name,
        cores=arm.plan.cores,
        rounds=arm.plan.rounds(),
        nfe=arm.plan.nfe_total(),
        guidance=guidance,
        rmse_median=float(np.median(errors)),
        rmse_p90=float(np.quantile(errors, 0.9)),
        rmse_worst=max(errors),
        psnr_median=float(np.median([psnr(a, b) or 99.0 for a, b in pictures])),
        ssim_median=float(np.median(likeness)),
        ssim_worst=min(likeness),
        changed=float(np.mean([value < VISIBLE for value in likeness])),
    )


def _table(rows: list[Row]) -> str:
    columns = ("rounds", "NFE", "median", "90 %", "worst", "PSNR", "SSIM worst", "changed")
    lines = [
        f"guidance {rows[0].guidance:g}",
        f"{'arm':<16}" + "".join(f"{c:>11}" for c in columns),
    ]
    for row in rows:
        distances = (row.rmse_median, row.rmse_p90, row.rmse_worst)
        cells = [str(row.rounds), str(row.nfe), *(f"{value:.4f}" for value in distances)]
        cells += [f"{row.psnr_median:.1f}", f"{row.ssim_worst:.3f}", f"{row.changed:.0%}"]
        lines.append(f"{row.arm:<16}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines) + "\n\n"


def _prompts(count: int) -> list[str]:
    """Held-out sentences of the built-in models, the same ones every time."""
    rng = random.Random(2025)
    return [plain_sentence(sample_scene(rng, held_out=True)) for _ in range(count)]


def _guidance_key(preset: Preset) -> str:
    return "true_cfg_scale" if "true_cfg_scale" in preset.call else "guidance_scale"


if __name__ == "__main__":
    main()
