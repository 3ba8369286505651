"""What is measured: two models at their published sizes, and tiny ones of the same kinds.

Knows no library, so that the process that only runs sections stays light.
"""

from dataclasses import dataclass, replace
from typing import Any

PROMPT = "a cat riding a horse"
SEED = 42


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """One model and how much of it is measured.

    Attributes:
        call: The pipeline's arguments without prompt and steps.
        components: As in a preset.
        steps: Of a run against stock.
        few: Of a run of several cores that share the device.
        repeats: At most so many runs count against stock; fewer, but two, when `patience` seconds
            are over.
        shared_repeats: So many runs count of every algorithm where cores share the device.
        megabytes: One latent as it travels, in float32 (10^6 bytes).
        gigabytes: The weights on disk, about (10^9 bytes).
        tiny: Whether the networks are.
    """

    name: str
    title: str
    kind: str
    pipeline: str
    call: dict[str, Any]
    components: dict[str, dict[str, Any]]
    steps: int
    few: int
    repeats: int
    shared_repeats: int
    patience: float
    megabytes: float
    gigabytes: float
    tiny: bool = False

    @property
    def size(self) -> str:
        frames = self.call.get("num_frames")
        return f"{self.call['width']}x{self.call['height']}" + (f"x{frames}" if frames else "")

    def preset(self, folder: str) -> dict[str, Any]:
        """The preset of this model in `folder`, as the command line reads it from YAML."""
        return {
            "name": f"random-{self.name}",
            "title": f"{self.title} with random weights",
            "kind": self.kind,
            "path": folder,
            "pipeline": self.pipeline,
            "dtype": "bfloat16",
            "license": {"name": "none", "gated": False},
            "call": {**self.call, "num_inference_steps": self.few},
            "components": self.components,
            "seed": SEED,
        } | ({"fps": 16} if self.kind == "video" else {})


FLUX = Model(
    name="flux",
    title="FLUX.1-dev",
    kind="image",
    pipeline="FluxPipeline",
    call={"height": 768, "width": 1360, "guidance_scale": 3.5, "max_sequence_length": 512},
    components={"vae": {"tiling": True, "slicing": True}},
    steps=20,
    few=12,
    repeats=5,
    shared_repeats=2,
    patience=45.0,
    megabytes=1.044,
    gigabytes=24.5,
)

WAN = Model(
    name="wan",
    title="Wan2.1 T2V 1.3B",
    kind="video",
    pipeline="WanPipeline",
    call={
        "height": 480,
        "width": 832,
        "num_frames": 81,
        "guidance_scale": 5.0,
        "negative_prompt": "",
        "max_sequence_length": 512,
    },
    components={"vae": {"dtype": "float32", "tiling": True, "slicing": True}},
    steps=6,
    few=4,
    repeats=3,
    shared_repeats=1,
    patience=60.0,
    megabytes=8.387,
    gigabytes=3.5,
)

HUNYUAN_MEGABYTES = 17.0
"""A latent of HunyuanVideo, whose messages are measured and whose network is not."""


def models(*, tiny: bool) -> dict[str, Model]:
    """By name: the published sizes, or tiny ones."""
    if not tiny:
        return {"flux": FLUX, "wan": WAN}
    small = {"steps": 6, "few": 4, "repeats": 3, "gigabytes": 0.1, "tiny": True}
    flux = replace(FLUX, call=FLUX.call | {"height": 64, "width": 64}, megabytes=0.004, **small)
    call = WAN.call | {"height": 64, "width": 64, "num_frames": 5}
    return {"flux": flux, "wan": replace(WAN, call=call, megabytes=0.008, **small)}


def message_sizes(*, tiny: bool) -> dict[str, float]:
    """Megabytes of the latents whose messages are measured, by model."""
    own = {name: model.megabytes for name, model in models(tiny=tiny).items()}
    return {**own, "hunyuan": 0.1 if tiny else HUNYUAN_MEGABYTES}
