"""Tiny random pipelines that look at pictures all along: edits, references, filling in."""

from collections.abc import Callable
from typing import Any

import diffusers
from diffusers import AutoencoderKLQwenImage, DiffusionPipeline
from transformers import PaddleOCRVLProcessor, Qwen2VLImageProcessor

from tests.doubles import tiny, zoo
from tests.doubles.pictures import mask, picture
from tests.doubles.tiny_parts import (
    CHAT,
    qwen_tokenizer,
    qwen_vision_model,
    remade,
    seeded,
)

_FLUX, _KLEIN = tiny.CALLS["flux"], zoo.CALLS["flux2-klein"]
_QWEN = {**zoo.CALLS["qwen-image"], "height": 256, "width": 256}

CALLS: dict[str, dict[str, Any]] = {
    "flux-kontext": {**_FLUX, "image": picture(8), "max_area": 64, "_auto_resize": False},
    "flux-fill": {**_FLUX, "image": picture(8), "mask_image": mask(8)},
    "flux2-image": {**zoo.CALLS["flux2"], "image": picture(64)},
    "flux2-images": {**zoo.CALLS["flux2"], "image": [picture(64), picture(80, 64, seed=5)]},
    "flux2-klein-image": {**_KLEIN, "image": picture(64)},
    "qwen-edit": {**_QWEN, "image": picture(32)},
    "qwen-edit-plus": {**_QWEN, "image": [picture(32), picture(32, 48, seed=5)]},
}
"""The smallest sensible call of each, without prompt and number of steps."""


def flux_kontext() -> DiffusionPipeline:
    return diffusers.FluxKontextPipeline(**tiny.flux().components)


def flux_fill() -> DiffusionPipeline:
    """Masked picture and mask are further channels: nothing is put back in the loop."""
    return diffusers.FluxFillPipeline(**flux_parts(in_channels=12))


def flux_parts(in_channels: int) -> dict[str, Any]:
    """Components of FLUX.1 tools, whose transformer takes more than a latent."""
    parts = tiny.flux().components
    del parts["image_encoder"], parts["feature_extractor"]
    wider = remade(parts["transformer"], in_channels=in_channels, out_channels=4)
    return parts | {"transformer": wider}


def flux2_image() -> DiffusionPipeline:
    """Reads `vae.bn`, whose buffers are weights."""
    return _uneven(zoo.flux2())


def flux2_klein_image() -> DiffusionPipeline:
    return _uneven(zoo.flux2_klein())


def qwen_edit() -> DiffusionPipeline:
    """The picture goes to the text encoder too; whatever its size, it is scaled to a megapixel."""
    return diffusers.QwenImageEditPipeline(**_qwen_edit_parts())


def qwen_edit_plus() -> DiffusionPipeline:
    return diffusers.QwenImageEditPlusPipeline(**_qwen_edit_parts())


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "flux-kontext": flux_kontext,
    "flux-fill": flux_fill,
    "flux2-image": flux2_image,
    "flux2-images": flux2_image,
    "flux2-klein-image": flux2_klein_image,
    "qwen-edit": qwen_edit,
    "qwen-edit-plus": qwen_edit_plus,
}


def _uneven(pipe: Any) -> DiffusionPipeline:
    """A released VAE's statistics are not 0 and 1; the smallest picture is 64 pixels wide."""
    blocks = {
        "block_out_channels": (4, 4, 4),
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
    }
    vae: Any = remade(pipe.vae, **blocks)
    with seeded():
        vae.bn.running_mean.normal_()
        vae.bn.running_var.uniform_(0.5, 2.0)
    return type(pipe)(**pipe.components | {"vae": vae})


def _qwen_edit_parts() -> dict[str, Any]:
    tokenizer, parts = qwen_tokenizer(sees=True), zoo.qwen_image().components
    with seeded():
        return parts | {
            "vae": _coarse_vae(),
            "text_encoder": qwen_vision_model(tokenizer),
            "tokenizer": tokenizer,
            # released with Qwen2VLProcessor, which does the same, but needs torchvision for videos
            "processor": PaddleOCRVLProcessor(
                Qwen2VLImageProcessor(
                    size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56},
                    patch_size=14,
                    merge_size=2,
                ),
                tokenizer,
                chat_template=CHAT,
            ),
        }


def _coarse_vae() -> Any:
    """One number for 64 x 64 pixels, so that a megapixel is 256 tokens."""
    return AutoencoderKLQwenImage(
        base_dim=3,
        z_dim=4,
        dim_mult=[1] * 7,
        num_res_blocks=0,
        temperal_downsample=[False] * 6,
        latents_mean=[0.1] * 4,
        latents_std=[1.5] * 4,
    ).eval()
