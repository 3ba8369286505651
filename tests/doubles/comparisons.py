"""A comparison's record with all that its page shows, made up in a moment: no core runs."""

from typing import Any

import numpy as np

from chords_cli.media.images import png_bytes
from chords_cli.media.videos import mp4_bytes
from chords_cli.records.compare import CompareRecord

ARMS = ("sequential", "few-steps", "chords", "wavefront")
SCRIPT = "<script>alert(1)</script>"
FRAMES, HEIGHT, WIDTH, FPS = 24, 96, 128, 12


def made_up(
    kind: str, *prompts: str, arms: tuple[str, ...] = ARMS, reference: str = "sequential"
) -> tuple[CompareRecord, dict[str, bytes]]:
    """The record of a comparison of `prompts`, and its files by name."""
    samples = [_sample(kind, number, prompt, arms) for number, prompt in enumerate(prompts, 1)]
    record = {
        "schema": 1,
        "command": "compare",
        "version": "0.1.0",
        "kind": kind,
        "preset": "demo",
        "title": "A model",
        "license": "MIT",
        "output": "compared",
        "reference": reference,
        "repeat": 2,
        "fps": FPS if kind == "video" else None,
        "again": f"chords compare {prompts[0]!r}",
        "arms": [_arm(name, number) for number, name in enumerate(arms)],
        "takes": samples,
        "loads": [list(arms)],
        "shares_devices": False,
        "notes": ["Cores share cpu.", "A second note."],
        "environment": {"torch": "2.13.0", "diffusers": None},
        "start_methods": [],
        "seconds": 60.0,
    }
    files = {}
    for sample in samples:
        for number, result in enumerate(sample["results"]):
            frames = _frames(10 * sample["number"] + number)
            files[result["picture"]] = png_bytes(frames[0], {})
            files[f"difference {sample['number']} {result['arm']}"] = png_bytes(frames[-1], {})
            if kind == "video":
                files[result["video"]] = mp4_bytes(frames, FPS, {})
    return CompareRecord.read(record), files


def _sample(kind: str, number: int, prompt: str, arms: tuple[str, ...]) -> dict[str, Any]:
    results = [
        {
            "arm": name,
            "picture": f"{number}-{name}.png",
            "video": f"{number}-{name}.mp4" if kind == "video" else None,
            "latent": f"{number}-{name}.safetensors",
            "output": {"index": 1, "core": 0, "round": 50, "residual": None},
            "rounds": 50,
            "evaluations": 50,
            "nfe_total": 50,
            "seconds": _seconds(),
            "runs": [],
            "same_bits": True,
            "quality": {
                "latent_rmse": 0.5,
                "latent_rmse_relative": 0.5,
                "psnr": 30.0,
                "ssim": 0.9,
                "same_latent": name == "sequential",
                "same_pixels": name == "sequential",
            },
        }
        for name in arms
    ]
    return {
        "number": number,
        "prompt": prompt,
        "seed": 42,
        "difference_gain": 8,
        "results": results,
    }


def _arm(name: str, number: int) -> dict[str, Any]:
    algo = name.split()[0].replace("few-steps", "sequential")
    cores = 1 if algo == "sequential" or "cores=1" in name else 4
    both = {"mean": 0.5, "worst": 0.6}
    measures = ("latent_rmse", "latent_rmse_relative", "psnr", "ssim")
    return {
        "name": name,
        "number": number + 1,
        "preset": "demo",
        "repo": None,
        "path": None,
        "revision": None,
        "model": {},
        "algo": algo,
        "cores": cores,
        "devices": ["cpu"] * cores,
        "dtype": "float32",
        "note": None,
        "plan": {
            "steps": 50,
            "init_t": [0, 8, 16, 32],
            "rounds": 50,
            "speedup": 1.0,
            "nfe_total": 50,
            "nfe_run": 50,
        },
        "stop": {"criterion": "core_index", "index": 1},
        "settings": {
            "loras": None,
            "device": "cpu",
            "call": {"num_inference_steps": 50, "negative_prompt": "", "width": WIDTH},
        },
        "rounds": 50,
        "evaluations": 50,
        "nfe_total": 50,
        "seconds": _seconds(),
        "speedup": {"measured": 2.0, "ideal": 2.5 if number else None, "ratio": 0.8, "total": 1.9},
        "quality": {
            **dict.fromkeys(measures, both),
            "same_latent": number == 0,
            "same_pixels": number == 0,
        },
        "peak_memory": [{"core": 0, "device": "cpu", "device_bytes": None, "host_bytes": 10**9}],
        "timeline": _timeline(cores),
    }


def _seconds() -> dict[str, Any]:
    spread = {"median": 1.5, "min": 1.25, "max": 2.0}
    return {"encode": spread, "sample": spread, "decode": spread, "total": spread}


def _timeline(cores: int) -> dict[str, Any]:
    step = {"what": "compute", "start": 0.1, "stop": 1.0, "round": 0, "from": 0, "to": 8}
    spans = [
        {"what": "encode", "start": 0.0, "stop": 0.1},
        step,
        {**step, "what": "wait", "start": 1.0, "stop": 1.2},
        {"what": "decode", "start": 1.2, "stop": 1.5},
    ]
    message = {"round": 1, "from": 0, "to": 1, "sent": 0.9, "received": 1.2, "correction": 0.01}
    return {
        "seconds": 1.5,
        "cores": [{"core": core, "device": "cpu", "spans": spans} for core in range(cores)],
        "messages": [message] if cores > 1 else [],
        "outputs": [{"index": 1, "core": cores - 1, "round": 21, "at": 1.2, "chosen": True}],
    }


def _frames(seed: int) -> np.ndarray:
    """A bright square that wanders over a colour of its own."""
    frames = np.empty((FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    frames[:] = np.random.default_rng(seed).integers(0, 120, 3)
    for number, frame in enumerate(frames):
        frame[20:50, 4 * number : 4 * number + 30] = 230
    return frames
