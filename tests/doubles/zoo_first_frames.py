"""Tiny random pipelines that make a video from its first frame, some from the last one too."""

from collections.abc import Callable
from typing import Any

import diffusers
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video_image2video import (
    DEFAULT_PROMPT_TEMPLATE,
)
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from tests.doubles import tiny, zoo_videos
from tests.doubles.pictures import picture
from tests.doubles.tiny_parts import (
    TOWER,
    clip_image_processor,
    clip_text_model,
    clip_tokenizer,
    clip_vision_model,
    llama_tokenizer,
    remade,
    seeded,
)
from tests.doubles.zoo_strength import without

_WAN, _LTX = tiny.CALLS["wan"], zoo_videos.CALLS["ltx"]
_TEMPLATE: dict[str, Any] = DEFAULT_PROMPT_TEMPLATE | {
    "image_emb_len": 4,  # 576 in the released model
    "image_emb_start": 5,
    "image_emb_end": 9,
    "crop_start": 30,
}
_HUNYUAN = {
    **without(tiny.CALLS["hunyuan"], "guidance_scale"),
    "image": picture(16),
    "prompt_template": _TEMPLATE,
    "max_sequence_length": 200,
    "image_embed_interleave": 1,
}

CALLS: dict[str, dict[str, Any]] = {
    "wan-i2v": {**_WAN, "image": picture(16)},
    "wan-flf2v": {**_WAN, "image": picture(16), "last_image": picture(16, seed=7)},
    "wan2-2-i2v": {**_WAN, "image": picture(16), "guidance_scale_2": 3.0},
    "wan-ti2v": {**_WAN, "height": 32, "width": 32, "image": picture(32)},
    "hunyuan-i2v": _HUNYUAN,
    "hunyuan-i2v-33": _HUNYUAN,
    "hunyuan1-5-i2v": {
        **without(zoo_videos.CALLS["hunyuan1-5"], "height", "width"),
        "image": picture(16),
    },
    "cogvideo-i2v": {**tiny.CALLS["cogvideo"], "width": 32, "image": picture(16, 32)},
    "ltx-i2v": {**_LTX, "image": picture(32)},
    "ltx-condition": {**_LTX, "image": picture(32), "image_cond_noise_scale": 0.0},
}
"""The smallest sensible call of each, without prompt and number of steps."""

NOISY: dict[str, Any] = without(CALLS["ltx-condition"], "image_cond_noise_scale")
"""The call of `ltx_condition` as diffusers has it by default: fresh noise in every step."""


def wan_i2v(tokens: int | None = None) -> DiffusionPipeline:
    """Wan2.1: a CLIP tower sees the picture too."""
    parts = tiny.wan().components
    return diffusers.WanImageToVideoPipeline(
        **parts
        | {
            "transformer": remade(
                parts["transformer"],
                in_channels=36,
                image_dim=16,
                added_kv_proj_dim=24,
                pos_embed_seq_len=tokens,
            ),
            "image_encoder": clip_vision_model(),
            "image_processor": clip_image_processor(),
            "transformer_2": None,
        }
    )


def wan_flf2v() -> DiffusionPipeline:
    """Wan2.1 from the first and the last frame, of five tokens each."""
    return wan_i2v(tokens=2 * 5)


def wan2_2_i2v() -> DiffusionPipeline:
    """Wan2.2: two transformers and no image encoder."""
    parts = tiny.wan().components
    noisy, clean = (remade(parts["transformer"], in_channels=36) for _ in range(2))
    for weight in clean.parameters():
        weight.data.mul_(0.9)
    return diffusers.WanImageToVideoPipeline(
        **parts | {"transformer": noisy, "transformer_2": clean},
        image_encoder=None,
        image_processor=None,
        boundary_ratio=0.9,
    )


def wan_ti2v() -> DiffusionPipeline:
    """Wan2.2 5B: every token has its own timestep, the first frame's is 0."""
    return diffusers.WanImageToVideoPipeline(
        **tiny.wan().components | {"transformer_2": None},
        image_encoder=None,
        image_processor=None,
        expand_timesteps=True,
    )


def hunyuan_i2v() -> DiffusionPipeline:
    """The first frame is replaced in every step: `step` gets one frame less than is prepared."""
    return _hunyuan_i2v("token_replace", 4)


def hunyuan_i2v_33() -> DiffusionPipeline:
    """The older model: the picture as further channels, its frame cut off after decoding."""
    return _hunyuan_i2v("latent_concat", 9)


def hunyuan1_5_i2v() -> DiffusionPipeline:
    """A Siglip tower; height and width follow from the picture."""
    parts = zoo_videos.hunyuan1_5().components
    with seeded():
        tower = SiglipVisionModel(SiglipVisionConfig(**TOWER)).eval()
    return diffusers.HunyuanVideo15ImageToVideoPipeline(
        **parts
        | {
            "transformer": remade(parts["transformer"], task_type="i2v"),
            "image_encoder": tower,
            "feature_extractor": SiglipImageProcessor(size={"height": 32, "width": 32}),
        }
    )


def cogvideo_i2v() -> DiffusionPipeline:
    """Samples from the VAE's distribution before it draws the noise."""
    parts = tiny.cogvideo().components
    wider = remade(
        parts["transformer"],
        in_channels=8,
        attention_head_dim=16,
        use_rotary_positional_embeddings=True,
    )
    return diffusers.CogVideoXImageToVideoPipeline(**parts | {"transformer": wider})


def ltx_i2v() -> DiffusionPipeline:
    """The first frame is no part of what `step` gets."""
    return diffusers.LTXImageToVideoPipeline(**_ltx_parts())


def ltx_condition() -> DiffusionPipeline:
    """`step` is told a timestep for every token."""
    plain = FlowMatchEulerDiscreteScheduler()
    return diffusers.LTXConditionPipeline(**_ltx_parts() | {"scheduler": plain})


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "wan-i2v": wan_i2v,
    "wan-flf2v": wan_flf2v,
    "wan2-2-i2v": wan2_2_i2v,
    "wan-ti2v": wan_ti2v,
    "hunyuan-i2v": hunyuan_i2v,
    "hunyuan-i2v-33": hunyuan_i2v_33,
    "hunyuan1-5-i2v": hunyuan1_5_i2v,
    "cogvideo-i2v": cogvideo_i2v,
    "ltx-i2v": ltx_i2v,
    "ltx-condition": ltx_condition,
}


def _hunyuan_i2v(kind: str, channels: int) -> DiffusionPipeline:
    parts, words = tiny.hunyuan().components, clip_tokenizer()
    tokenizer = llama_tokenizer(_TEMPLATE["template"].replace("{}", "").replace("<image>", ""))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    with seeded():
        return diffusers.HunyuanVideoImageToVideoPipeline(
            scheduler=parts["scheduler"],
            vae=parts["vae"],
            text_encoder=_llava(tokenizer),
            tokenizer=tokenizer,
            text_encoder_2=clip_text_model(words, width=8),
            tokenizer_2=words,
            transformer=remade(
                parts["transformer"],
                in_channels=channels,
                image_condition_type=kind,
                guidance_embeds=False,
            ),
            image_processor=clip_image_processor(),
        )


def _llava(tokenizer: Any) -> Any:
    """A Llama that sees a picture as four tokens."""
    decoder = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 37,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "pad_token_id": tokenizer.pad_token_id,
        "max_position_embeddings": 1024,
    }
    config = LlavaConfig(
        text_config=decoder,
        vision_config={"model_type": "clip_vision_model", **TOWER, "projection_dim": 16},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        vision_feature_layer=-1,
        image_seq_length=4,
    )
    return LlavaForConditionalGeneration(config).eval()


def _ltx_parts() -> dict[str, Any]:
    """Components whose VAE has statistics of its own, as released ones have."""
    parts = zoo_videos.ltx().components
    with seeded():
        parts["vae"].latents_mean.normal_()
        parts["vae"].latents_std.uniform_(0.5, 2.0)
    return parts
