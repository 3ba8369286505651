"""What decides a picture or a video, as a document that its file carries.

The document names the preset and holds everything that the preset and the options resolved to.
`from_metadata` finds the way back from it.
"""

import json
from typing import TYPE_CHECKING, Any

import chords_cli
from chords_cli.presets.identity import model_identity
from chords_cli.runs.outputs.environment import environment
from chords_cli.runs.settings.samples import PlannedSample

if TYPE_CHECKING:
    from chords_cli.runs.settings.resolve import Settings

SCHEMA = 1


def pixels(settings: "Settings") -> dict[str, Any]:
    """What decides pixels and pace, but for the prompt, the seed and the output's index.

    Plain JSON, and always the same keys, so that what one run has and another lacks is a
    difference. Versions of libraries are not in it: an update must not make finished work undone.
    """
    return _plain(
        {
            "model": model_identity(settings.preset),
            "dtype": settings.dtype,
            "loras": lora_document(settings) or None,
            "algo": settings.plan.algo,
            "cores": settings.plan.cores,
            "steps": settings.plan.steps,
            "init_t": settings.plan.init_t or (),
            "rounds": settings.plan.planned_rounds,
            "stop": stop_document(settings),
            "device": settings.devices[0].partition(":")[0],
            "call": settings.call,
            "fps": settings.fps,
        }
    )


def lora_document(settings: "Settings") -> list[dict[str, Any]]:
    """The LoRAs as they were named, each with its scale."""
    return [{"source": source, "scale": scale} for source, scale in settings.loras]


def stop_document(settings: "Settings") -> dict[str, Any]:
    """The stop rule with the value that its criterion uses."""
    stop = settings.stop
    value = {"index": stop.index} if stop.criterion == "core_index" else {"residual": stop.residual}
    return {"criterion": stop.criterion, **value}


def document(settings: "Settings", sample: PlannedSample, output: dict[str, Any]) -> dict[str, Any]:
    """What a file of `sample` carries; `output` says which output it is."""
    return {
        "schema": SCHEMA,
        "version": chords_cli.__version__,
        "preset": settings.preset.name,
        **pixels(settings),
        "prompt": sample.prompt,
        "seed": sample.seed,
        "output": output,
        "environment": environment(),
    }


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain
