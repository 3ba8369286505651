"""The built-in models on this machine's processors, against stock diffusers, by the clock.

    python -m benchmarks.overhead.cpu [--json] [--runs N]

Seconds of sampling, decoding left out: stock diffusers with its own sampler, and the real command
with several cores that share the processors. Runs take turns; each number is the median. Cores of a
machine without devices of their own gain nothing but fewer evaluations where they are many.
"""

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any

from benchmarks.overhead.cells import traced
from chords_cli.presets.files import find_preset
from chords_cli.presets.schema import Preset

CORES = (1, 2, 4)
PROMPTS = {
    "demo-image": "a red heart left of a blue square",
    "demo-video": "a red circle moving right on a blue background",
}


def stock(preset: Preset, runs: int) -> list[float]:
    """Returns the seconds of the stock pipeline's loop, for so many pictures."""
    import torch

    from chords_cli.models.weights import model_folder
    from chords_cli.pipelines.load.loading import load_pipeline
    from chords_cli.pipelines.load.spec import ModelSpec

    torch.set_num_threads(os.cpu_count() or 1)
    folder = str(model_folder(preset))
    spec = ModelSpec(folder=folder, pipeline=preset.pipeline, dtype=preset.dtype)
    pipe = load_pipeline(spec, device=torch.device("cpu"), encodes=True, decodes=True)
    found = []
    for run in range(runs + 1):
        times: list[float] = []
        forward = pipe.transformer.forward

        def timed(*args: Any, times: list[float] = times, forward: Any = forward, **kw: Any) -> Any:
            times.append(time.monotonic())
            answer = forward(*args, **kw)
            times.append(time.monotonic())
            return answer

        pipe.transformer.forward = timed
        noise = torch.Generator("cpu").manual_seed(run)
        call = {**preset.call, "prompt": PROMPTS[preset.name], "output_type": "latent"}
        pipe(**call, generator=noise)
        pipe.transformer.forward = forward
        found.append(times[-1] - times[0])
    return found[1:]


def main() -> None:
    options = _parse()
    rows = []
    for name, prompt in PROMPTS.items():
        preset = find_preset(name)
        own = stock(preset, options.runs)
        rows.append({"model": name, "way": "stock diffusers", "sample": statistics.median(own)})
        for cores in CORES:
            line = [prompt, "--model", name]
            how: dict[str, Any] = {"cores": cores, "pictures": options.runs, "kind": preset.kind}
            done = traced(line, told={}, **how)
            taken = [entry["seconds"]["sample"] for entry in done.record["prompts"]]
            rounds = done.record["prompts"][0]["rounds"]
            way = f"chords, {cores} cores, {rounds} rounds"
            rows.append({"model": name, "way": way, "sample": statistics.median(taken)})
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    for row in rows:
        sys.stdout.write(f"{row['model']:12}{row['way']:30}{row['sample']:8.2f} s\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
