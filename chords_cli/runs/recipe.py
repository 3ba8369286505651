"""What decides a picture or a video, as a document that its file carries.

The document names the preset and holds everything that the preset and the options resolved to.
`again` finds the way back from it.
"""

import json
from typing import TYPE_CHECKING, Any

import chords_cli
from chords_cli.preset_schema import Preset
from chords_cli.runs.environment import environment
from chords_cli.runs.takes import Take

if TYPE_CHECKING:
    from chords_cli.runs.settings import Settings

SCHEMA = 1

_NOT_OF_THE_MODEL = {
    *("name", "title", "kind", "license", "limits", "memory", "parameters", "prompts"),
    *("call", "dtype", "fps", "sampling", "seed"),
}
"""Keys of a preset that decide no pixel, and those that the document holds as resolved."""


def pixels(settings: "Settings") -> dict[str, Any]:
    """What decides pixels and pace, but for the prompt, the seed and the output's index.

    Plain JSON, and always the same keys, so that what one run has and another lacks is a
    difference. Versions of libraries are not in it: an update must not make finished work undone.
    """
    return _plain(
        {
            "model": model_document(settings.preset),
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


def document(settings: "Settings", take: Take, output: dict[str, Any]) -> dict[str, Any]:
    """What a file of `take` carries; `output` says which output it is."""
    return {
        "schema": SCHEMA,
        "version": chords_cli.__version__,
        "preset": settings.preset.name,
        **pixels(settings),
        "prompt": take.prompt,
        "seed": take.seed,
        "output": output,
        "environment": environment(),
    }


def model_document(preset: Preset) -> dict[str, Any]:
    """The weights and how they are loaded, as far as the preset says more than its defaults.

    Where text encoders wait decides no pixel. Of a local folder only the name: pictures travel.
    """
    said = preset.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_OF_THE_MODEL
    )
    for part in said.get("components", {}).values():
        part.pop("offload", None)
    parts = {name: part for name, part in said.pop("components", {}).items() if part}
    said |= {"components": parts} if parts else {}
    return said if preset.path is None else {**said, "path": preset.path.name}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain
