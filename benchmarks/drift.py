"""What the built-in image model costs on one CPU core: `python benchmarks/drift.py [--json]`.

A drift evaluation is what a core pays for each step: the transformer twice, with the prompt and
with the empty one.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, FluxPipeline

PRESET = Path(__file__).parents[1] / "presets" / "demo-image"
PROMPT = "a green star left of a yellow square on a black background"
LENGTH = 24

Call = Callable[[], object]


def main() -> None:
    options = _parse()
    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    pipe = DiffusionPipeline.from_pretrained(options.model)
    report = {"load": {"median": (time.perf_counter() - started) * 1e3, "worst": None}}
    for name, call in parts(pipe).items():
        report[name] = timed(call, options.repeats)
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if options.json else table(report))


@torch.inference_mode()
def parts(pipe: FluxPipeline) -> dict[str, Call]:
    """The pieces of a sequential sample, ready to be called again and again."""

    def encode() -> tuple[torch.Tensor, ...]:
        return pipe.encode_prompt(PROMPT, None, max_sequence_length=LENGTH)

    prompts, pooled, text_ids = encode()
    side = 128 // pipe.vae_scale_factor
    channels = pipe.transformer.config.in_channels // 4
    latents, image_ids = pipe.prepare_latents(
        1, channels, 128, 128, prompts.dtype, torch.device("cpu"), torch.Generator().manual_seed(0)
    )

    def drift() -> None:
        for _ in ("prompt", "empty prompt"):
            pipe.transformer(
                hidden_states=latents,
                timestep=torch.tensor([0.5]),
                pooled_projections=pooled,
                encoder_hidden_states=prompts,
                txt_ids=text_ids,
                img_ids=image_ids,
                return_dict=False,
            )

    def decode() -> None:
        pipe.vae.decode(torch.zeros(1, channels, side, side))

    return {"encode prompt": encode, "drift evaluation": drift, "decode": decode}


@torch.inference_mode()
def timed(call: Call, repeats: int) -> dict[str, float]:
    """Median and worst time in milliseconds, after three calls that do not count."""
    times = []
    for _ in range(repeats + 3):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1e3)
    return {"median": statistics.median(times[3:]), "worst": max(times[3:])}


def table(report: dict[str, dict[str, float | None]]) -> str:
    """The report for people."""
    lines = [f"{'ms':18s}{'median':>9s}{'worst':>9s}"]
    for name, row in report.items():
        worst = "" if row["worst"] is None else f"{row['worst']:9.1f}"
        lines.append(f"{name:18s}{row['median']:9.1f}{worst}")
    return "\n".join(lines) + "\n"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=PRESET, help="a FLUX folder of diffusers")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="milliseconds as JSON on stdout")
    return parser.parse_args()


if __name__ == "__main__":
    main()
