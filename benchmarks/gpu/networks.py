"""Random weights at published sizes, saved as ordinary diffusers repositories.

Weights are drawn where they are measured later: on a GPU a network of 12 billion parameters takes
seconds. They are saved a shard at a time, so the host never holds a whole network.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLWan,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)

from benchmarks.gpu.models import Model
from tests.doubles.tiny_parts import clip_text_model, clip_tokenizer, t5_encoder, t5_tokenizer

_SHARD = "5GB"

_TEXT_WIDTH = 4096
"""Of T5's and UMT5's embeddings; the tiny encoders make as wide ones."""

_LOUDER = 4.0
"""Random output layers hardly answer; so much louder, drifts depend on latents as trained ones."""


def build(model: Model, device: str, folder: Path) -> dict[str, Any]:
    """Saves a repository of `model` in `folder`; returns its parameters, by component."""
    torch.manual_seed(0)
    pipe = (_flux if model.pipeline == "FluxPipeline" else _wan)(model, device)
    counts = {
        name: sum(weight.numel() for weight in part.parameters())
        for name, part in pipe.components.items()
        if isinstance(part, torch.nn.Module)
    }
    pipe.save_pretrained(folder, max_shard_size=_SHARD)
    return counts


def _flux(model: Model, device: str) -> DiffusionPipeline:
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    t5.model_max_length = model.call["max_sequence_length"]
    with _made_on(device, torch.bfloat16):
        transformer = FluxTransformer2DModel(
            in_channels=64,
            num_layers=1 if model.tiny else 19,
            num_single_layers=1 if model.tiny else 38,
            num_attention_heads=2 if model.tiny else 24,
            attention_head_dim=128,
            joint_attention_dim=_TEXT_WIDTH,
            pooled_projection_dim=768,
            guidance_embeds=True,
        )
        vae = AutoencoderKL(
            sample_size=1024,
            block_out_channels=(32,) * 4 if model.tiny else (128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1 if model.tiny else 2,
            latent_channels=16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
        _louder(transformer.proj_out)
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=clip_text_model(clip, width=768).to(torch.bfloat16),
        tokenizer=clip,
        text_encoder_2=t5_encoder(t5, width=_TEXT_WIDTH).to(torch.bfloat16),
        tokenizer_2=t5,
        transformer=transformer.eval(),
    )


def _wan(model: Model, device: str) -> DiffusionPipeline:
    t5 = t5_tokenizer()
    t5.model_max_length = model.call["max_sequence_length"]
    with _made_on(device, torch.bfloat16):
        transformer = WanTransformer3DModel(
            num_layers=1 if model.tiny else 30,
            num_attention_heads=2 if model.tiny else 12,
            attention_head_dim=128,
            ffn_dim=128 if model.tiny else 8960,
            text_dim=_TEXT_WIDTH,
        )
        _louder(transformer.proj_out)
    with _made_on(device, torch.float32):
        vae = AutoencoderKLWan(
            base_dim=8 if model.tiny else 96, num_res_blocks=1 if model.tiny else 2
        )
    return WanPipeline(
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        vae=vae.eval(),
        text_encoder=t5_encoder(t5, width=_TEXT_WIDTH, multilingual=True).to(torch.bfloat16),
        tokenizer=t5,
        transformer=transformer.eval(),
    )


def _louder(layer: torch.nn.Linear) -> None:
    with torch.no_grad():
        layer.weight.mul_(_LOUDER)


@contextmanager
def _made_on(device: str, dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)
