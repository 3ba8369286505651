"""Tiny random pipelines that begin late, with what a strength leaves of a picture or a video.

Their smallest calls say no strength; each pipeline has a default of its own.
"""

from collections.abc import Callable
from typing import Any

import diffusers
from diffusers import DiffusionPipeline

from tests.doubles import tiny, zoo
from tests.doubles.pictures import clip, mask, picture
from tests.doubles.tiny_parts import image_vae, remade


def without(call: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in call.items() if key not in names}


_FLUX, _SD3 = tiny.CALLS["flux"], tiny.CALLS["sd3"]
_CHROMA, _QWEN, _SDXL = (zoo.CALLS[name] for name in ("chroma", "qwen-image", "sdxl"))

CALLS: dict[str, dict[str, Any]] = {
    "flux-img2img": {**_FLUX, "image": picture(8)},
    "flux-inpaint": {**_FLUX, "image": picture(8), "mask_image": mask(8)},
    "chroma-img2img": {**_CHROMA, "image": picture(16)},
    "chroma-inpaint": {**_CHROMA, "image": picture(16), "mask_image": mask(16)},
    "sd3-img2img": {**_SD3, "image": picture(16)},
    "sd3-inpaint": {**_SD3, "image": picture(16), "mask_image": mask(16)},
    "qwen-img2img": {**_QWEN, "image": picture(32)},
    "qwen-inpaint": {**_QWEN, "image": picture(32), "mask_image": mask(32)},
    "z-image-img2img": {**zoo.CALLS["z-image"], "image": picture(32)},
    "sdxl-img2img": {**without(_SDXL, "height", "width"), "image": picture(32)},
    "sdxl-inpaint": {**_SDXL, "image": picture(32), "mask_image": mask(32)},
    "sdxl-inpaint-9": {**_SDXL, "image": picture(32), "mask_image": mask(32)},
    "wan-v2v": {**without(tiny.CALLS["wan"], "num_frames"), "video": clip(16, 9)},
    "cogvideo-v2v": {**without(tiny.CALLS["cogvideo"], "num_frames"), "video": clip(16, 8)},
}
"""The smallest sensible call of each, without prompt, number of steps and strength."""


def flux_img2img() -> DiffusionPipeline:
    return diffusers.FluxImg2ImgPipeline(**tiny.flux().components)


def flux_inpaint() -> DiffusionPipeline:
    """Puts the known half back after every step, at the noise level of `timesteps[i + 1]`."""
    return diffusers.FluxInpaintPipeline(**tiny.flux().components)


def chroma_img2img() -> DiffusionPipeline:
    return diffusers.ChromaImg2ImgPipeline(**zoo.chroma().components)


def chroma_inpaint() -> DiffusionPipeline:
    """Reads a key that its model does not know, but the released configuration has."""
    parts = zoo.chroma().components
    parts["transformer"].register_to_config(guidance_embeds=False)
    return diffusers.ChromaInpaintPipeline(**parts)


def sd3_img2img() -> DiffusionPipeline:
    return diffusers.StableDiffusion3Img2ImgPipeline(**tiny.sd3().components)


def sd3_inpaint() -> DiffusionPipeline:
    """Asks as many channels as released models have."""
    parts = tiny.sd3().components
    wide = remade(parts["transformer"], in_channels=16, out_channels=16)
    return diffusers.StableDiffusion3InpaintPipeline(
        **parts | {"transformer": wide, "vae": image_vae(latent_channels=16)}
    )


def qwen_img2img() -> DiffusionPipeline:
    return diffusers.QwenImageImg2ImgPipeline(**zoo.qwen_image().components)


def qwen_inpaint() -> DiffusionPipeline:
    return diffusers.QwenImageInpaintPipeline(**zoo.qwen_image().components)


def z_image_img2img() -> DiffusionPipeline:
    return diffusers.ZImageImg2ImgPipeline(**zoo.z_image().components)


def sdxl_img2img() -> DiffusionPipeline:
    """Its latents begin with the channels last."""
    return diffusers.StableDiffusionXLImg2ImgPipeline(**zoo.sdxl().components)


def sdxl_inpaint() -> DiffusionPipeline:
    """A UNet of four channels: the known half is put back in the loop."""
    return diffusers.StableDiffusionXLInpaintPipeline(**zoo.sdxl().components)


def sdxl_inpaint_9() -> DiffusionPipeline:
    """The released inpainting model: mask and masked picture are five further channels."""
    parts = zoo.sdxl().components
    unet = remade(parts["unet"], in_channels=9)
    return diffusers.StableDiffusionXLInpaintPipeline(**parts | {"unet": unet})


def wan_v2v() -> DiffusionPipeline:
    return diffusers.WanVideoToVideoPipeline(**without(tiny.wan().components, "transformer_2"))


def cogvideo_v2v() -> DiffusionPipeline:
    return diffusers.CogVideoXVideoToVideoPipeline(**tiny.cogvideo().components)


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "flux-img2img": flux_img2img,
    "flux-inpaint": flux_inpaint,
    "chroma-img2img": chroma_img2img,
    "chroma-inpaint": chroma_inpaint,
    "sd3-img2img": sd3_img2img,
    "sd3-inpaint": sd3_inpaint,
    "qwen-img2img": qwen_img2img,
    "qwen-inpaint": qwen_inpaint,
    "z-image-img2img": z_image_img2img,
    "sdxl-img2img": sdxl_img2img,
    "sdxl-inpaint": sdxl_inpaint,
    "sdxl-inpaint-9": sdxl_inpaint_9,
    "wan-v2v": wan_v2v,
    "cogvideo-v2v": cogvideo_v2v,
}
