"""Tiny random pipelines of further architectures, to which no product code refers: videos."""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo15,
    AutoencoderKLLTXVideo,
    ClassifierFreeGuidance,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    WanPipeline,
)
from transformers import ByT5Tokenizer

from tests.doubles import tiny
from tests.doubles.tiny_parts import (
    qwen_text_model,
    qwen_tokenizer,
    seeded,
    t5_encoder,
    t5_tokenizer,
)

BAD = {"negative_prompt": "bad"}

CALLS: dict[str, dict[str, Any]] = {
    "ltx": {
        **BAD,
        "height": 32,
        "width": 32,
        "max_sequence_length": 16,
        "num_frames": 9,
        "guidance_scale": 3.0,
    },
    "wan2-2": {**tiny.CALLS["wan"], "guidance_scale": 4.0, "guidance_scale_2": 3.0},
    "hunyuan1-5": {**BAD, "height": 16, "width": 16, "num_frames": 9},
}
"""The smallest sensible call of each family, without prompt and number of steps."""


def ltx() -> DiffusionPipeline:
    """LTX-Video: a decoder that takes a timestep and draws noise of its own."""
    t5 = t5_tokenizer()
    with seeded():
        return LTXPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(
                use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, shift_terminal=0.1
            ),
            vae=_ltx_vae(),
            text_encoder=t5_encoder(t5),
            tokenizer=t5,
            transformer=LTXVideoTransformer3DModel(
                in_channels=8,
                out_channels=8,
                num_attention_heads=4,
                attention_head_dim=8,
                cross_attention_dim=32,
                num_layers=1,
                caption_channels=32,
            ).eval(),
        )


def wan2_2() -> DiffusionPipeline:
    """Wan2.2: one transformer for the noisy steps, another for the others."""
    noisy, clean = tiny.wan(), tiny.wan()
    for weight in clean.transformer.parameters():
        weight.data.mul_(0.9)
    parts = noisy.components | {"transformer_2": clean.transformer}
    return WanPipeline(**parts, boundary_ratio=0.875)


def hunyuan1_5() -> DiffusionPipeline:
    """HunyuanVideo1.5: a guider object and two encoders, one of them for bytes."""
    tokenizer, letters = qwen_tokenizer(), ByT5Tokenizer(extra_ids=0)
    with seeded():
        return HunyuanVideo15Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
            guider=ClassifierFreeGuidance(guidance_scale=2.0),
            vae=AutoencoderKLHunyuanVideo15(
                latent_channels=4,
                block_out_channels=(16, 16, 16),
                layers_per_block=1,
                spatial_compression_ratio=4,
                temporal_compression_ratio=4,
            ).eval(),
            text_encoder=qwen_text_model(tokenizer),
            tokenizer=tokenizer,
            text_encoder_2=t5_encoder(letters, width=16),
            tokenizer_2=letters,
            transformer=HunyuanVideo15Transformer3DModel(
                in_channels=9,
                out_channels=4,
                num_attention_heads=1,  # its pipeline asks for 2000 tokens of conditioning
                attention_head_dim=8,
                num_layers=1,
                num_refiner_layers=1,
                mlp_ratio=1.0,
                patch_size=1,
                patch_size_t=1,
                text_embed_dim=16,
                text_embed_2_dim=16,
                image_embed_dim=16,
                rope_axes_dim=(2, 2, 4),
                target_size=16,
                task_type="t2v",
            ).eval(),
        )


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "ltx": ltx,
    "wan2-2": wan2_2,
    "hunyuan1-5": hunyuan1_5,
}


def _ltx_vae() -> torch.nn.Module:
    return AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * 5,
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        timestep_conditioning=True,
        patch_size=1,
        patch_size_t=1,
    ).eval()
