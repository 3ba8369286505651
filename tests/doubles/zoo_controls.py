"""Tiny random pipelines that are led by a control picture, or by a picture as a prompt."""

from collections.abc import Callable
from typing import Any

import diffusers
from diffusers import (
    ControlNetModel,
    DiffusionPipeline,
    FluxControlNetModel,
    WanVACETransformer3DModel,
)

from tests.doubles import tiny, zoo
from tests.doubles.adapters import image_encoder
from tests.doubles.pictures import clip, mask, picture
from tests.doubles.tiny_parts import (
    clip_image_processor,
    remade,
    seeded,
    woken,
)
from tests.doubles.zoo_edits import flux_parts

CALLS: dict[str, dict[str, Any]] = {
    "flux-control": {**tiny.CALLS["flux"], "control_image": picture(8)},
    "flux-controlnet": {
        **tiny.CALLS["flux"],
        "control_image": picture(8),
        "controlnet_conditioning_scale": 0.5,
    },
    "sdxl-controlnet": {**zoo.CALLS["sdxl"], "image": picture(32)},
    "sdxl-ip-adapter": {**zoo.CALLS["sdxl"], "ip_adapter_image": picture(32)},
    "wan-vace": {
        **tiny.CALLS["wan"],
        "video": clip(16, 9),
        "mask": [mask(16)] * 9,
        "reference_images": [picture(16, seed=7)],
    },
}
"""The smallest sensible call of each, without prompt and number of steps."""

ADAPTED = ("sdxl-ip-adapter",)
"""Those that need an IP-Adapter of `tests.doubles.adapters`, once they are loaded."""


def flux_control() -> DiffusionPipeline:
    return diffusers.FluxControlPipeline(**flux_parts(in_channels=8))


def flux_controlnet() -> DiffusionPipeline:
    """A second network that runs in every step, so every core holds it."""
    with seeded():
        net = FluxControlNetModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=[4, 4, 8],
            guidance_embeds=True,
        )
    parts = tiny.flux().components
    return diffusers.FluxControlNetPipeline(**parts, controlnet=woken(net))


def sdxl_controlnet() -> DiffusionPipeline:
    """Here `image` is the control picture; it never goes through the VAE."""
    parts = zoo.sdxl().components
    with seeded():
        net = ControlNetModel.from_unet(parts["unet"], conditioning_embedding_out_channels=(2, 4))
    return diffusers.StableDiffusionXLControlNetPipeline(**parts, controlnet=woken(net))


def sdxl_ip_adapter() -> DiffusionPipeline:
    """A picture as a prompt: the UNet attends to what an image encoder makes of it."""
    sight = {"image_encoder": image_encoder(), "feature_extractor": clip_image_processor()}
    return diffusers.StableDiffusionXLPipeline(**zoo.sdxl().components | sight)


def wan_vace() -> DiffusionPipeline:
    """A control video, its mask and reference pictures; each of these makes a latent frame more."""
    parts = tiny.wan().components
    net = remade(
        parts["transformer"], WanVACETransformer3DModel, vace_layers=[0], vace_in_channels=96
    )
    return diffusers.WanVACEPipeline(**parts | {"transformer": woken(net), "transformer_2": None})


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "flux-control": flux_control,
    "flux-controlnet": flux_controlnet,
    "sdxl-controlnet": sdxl_controlnet,
    "sdxl-ip-adapter": sdxl_ip_adapter,
    "wan-vace": wan_vace,
}
