"""How close cores come that start from a picture: `python -m benchmarks.pictures [--json FILE]`.

The built-in image model changes pictures of its own to the next prompt (image to image), or their
left half only (inpainting). What is told is the latent RMSE to the result of every step, median and
what one in ten prompts is beyond: of the wavefront's first output, on several cores, and of the
stock pipeline with as few steps as there are rounds. For inpainting the half that is kept is left
out. All cores are real processes on this machine's CPU; nothing is timed.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.study.measures import spread
from benchmarks.study.models import Asked, asked
from chords_cli.engine.latents import as_array
from chords_cli.engine.pool import Pool, PoolSettings
from chords_cli.models.inputs.strength import steps_taken
from chords_cli.models.weights import model_folder
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.presets.files import find_preset
from chords_cli.presets.schema import Preset
from chords_cli.sampler import default_rounds, sequential_plan, wavefront_plan
from chords_cli.sampler.stop import StopRule

KINDS = {"image to image": "FluxImg2ImgPipeline", "inpainting": "FluxInpaintPipeline"}
STRENGTHS = (0.4, 0.7, 0.9)
STEPS = (28, 50)
CORES = (2, 4, 8)


class Start(NamedTuple):
    """A picture, and what it shall become."""

    picture: Image.Image
    asked: Asked


def pool_of(preset: Preset, pipeline: str, cores: int) -> PoolSettings:
    """The built-in model by another of its pipelines, each core on one thread."""
    model = ModelSpec(
        folder=str(model_folder(preset)), pipeline=pipeline, dtype=preset.dtype, sees=True
    )
    return PoolSettings(model=model, devices=("cpu",) * cores, decoders=frozenset(range(cores)))


def starts(preset: Preset, prompts: int) -> list[Start]:
    """Pictures that the model made, each with the next one's prompt."""
    wanted = asked(preset.name, prompts + 1)
    made = []
    with Pool(pool_of(preset, preset.pipeline, 1), lambda event: None) as pool:
        for prompt, seed in wanted[:-1]:
            call = preset.call | {"prompt": prompt, "num_inference_steps": 50}
            frames: list[np.ndarray] = []
            pool.sample(
                sequential_plan(50),
                call,
                seed,
                StopRule(),
                on_output=lambda output, kept=frames: kept.append(output.frames),
            )
            made.append(Image.fromarray(frames[0][0]))
    return [Start(picture, then) for picture, then in zip(made, wanted[1:], strict=True)]


def measured(
    preset: Preset, kind: str, given: list[Start], known: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The rows of one kind that are not known, for each number of steps, strength and cores."""
    pipeline, guidance = KINDS[kind], float(preset.call["true_cfg_scale"])
    width, height = preset.call["width"], preset.call["height"]
    white = np.zeros((height, width), "uint8")
    white[:, : width // 2] = 255
    mask = {"mask_image": Image.fromarray(white)} if kind == "inpainting" else {}
    with Pool(pool_of(preset, pipeline, max(CORES)), lambda event: None) as pool:

        def latent(call: dict[str, Any], plan: Any, seed: int) -> np.ndarray:
            made = pool.sample(plan, call, seed, StopRule())
            return as_array(made.outputs[made.chosen].latent)

        for steps in STEPS:
            for strength in STRENGTHS:
                there = (kind, steps, strength)
                have = {row["cores"] for row in known if there == _place(row)}
                if have >= set(CORES):
                    continue
                call = preset.call | mask | {"num_inference_steps": steps, "strength": strength}
                taken = steps_taken(pipeline, call)
                exact = [
                    latent(_of(call, start), sequential_plan(taken), start.asked.seed)
                    for start in given
                ]
                for cores in sorted({*CORES} - have):
                    rounds = default_rounds(taken, cores, guidance)
                    plan = wavefront_plan(taken, cores, rounds, guidance)
                    fewer = call | {"num_inference_steps": _steps_for(pipeline, call, rounds)}
                    fast, few = [], []
                    for start, stock in zip(given, exact, strict=True):
                        seed = start.asked.seed
                        fast.append(_rmse(latent(_of(call, start), plan, seed), stock, mask))
                        made = latent(_of(fewer, start), sequential_plan(rounds), seed)
                        few.append(_rmse(made, stock, mask))
                    yield {
                        "kind": kind,
                        "steps": steps,
                        "strength": strength,
                        "taken": taken,
                        "cores": cores,
                        "rounds": rounds,
                        "wavefront": fast,
                        "few_steps": few,
                    }


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["kind"], row["steps"], row["strength"]


def _of(call: dict[str, Any], start: Start) -> dict[str, Any]:
    return call | {"image": start.picture, "prompt": start.asked.prompt}


def _steps_for(pipeline: str, call: dict[str, Any], rounds: int) -> int:
    """The smallest number of steps of which the strength leaves as many as there are rounds."""
    counted = (n for n in range(rounds, 1000))
    return next(
        n for n in counted if steps_taken(pipeline, call | {"num_inference_steps": n}) == rounds
    )


def _rmse(one: np.ndarray, other: np.ndarray, mask: dict[str, Any]) -> float:
    """The distance of two latents, shape (1, tokens, channels); of the masked half, if any."""
    gap = np.square(one.astype(np.float64) - other)
    if mask:
        side = int(gap.shape[1] ** 0.5)
        gap = gap[:, np.arange(side * side) % side < side // 2]
    return float(np.sqrt(gap.mean()))


def table(rows: list[dict[str, Any]], prompts: int) -> str:
    """The rows for people."""
    lines = [
        f"Latent RMSE to every step, {prompts} prompts: median, and what one in ten is beyond.",
        "",
        f"{'':14} {'T':>3} {'strength':>8} {'steps':>5} {'cores':>5} {'rounds':>6}"
        f" {'wavefront':>15} {'few steps':>15}",
    ]
    for row in rows:
        told = []
        for arm in ("wavefront", "few_steps"):
            found = spread(row[arm])
            assert found is not None, "every row has prompts"
            told.append(f"{found.median:.4f} {found.tail:.4f}")
        lines.append(
            f"{row['kind']:14} {row['steps']:3} {row['strength']:8} {row['taken']:5}"
            f" {row['cores']:5} {row['rounds']:6} {told[0]:>15} {told[1]:>15}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="every prompt's distances; goes on from there")
    parser.add_argument("--prompts", type=int, default=24)
    options = parser.parse_args()
    preset, rows = find_preset("demo-image"), list[dict[str, Any]]()
    if options.json and options.json.exists():
        rows = json.loads(options.json.read_text())
        if any(len(row["wavefront"]) != options.prompts for row in rows):
            sys.exit(
                f"error: {options.json} has rows of other numbers of prompts; name another file"
            )
    given = starts(preset, options.prompts)
    for kind in KINDS:
        for row in measured(preset, kind, given, rows):
            rows.append(row)
            sys.stderr.write(table([row], options.prompts).splitlines()[-1] + "\n")
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    sys.stdout.write(table(rows, options.prompts) + "\n")


if __name__ == "__main__":
    main()
