"""A tiny Flux whose transformer only waits (see `hooks/spans.py`), with latents of three sizes.

Its autoencoder halves nothing and its latent has 16 channels, so a picture of 64 x 128 pixels has
a latent of 0.5 MB in float32 and one of 520 x 512 a latent of 17 MB.
"""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)

from tests.doubles.tiny_parts import clip_text_model, clip_tokenizer, t5_encoder, t5_tokenizer

SIZES = {0.5: (64, 128), 4.0: (256, 256), 17.0: (520, 512)}
"""Height and width in pixels, by the megabytes of the latent."""

GUIDANCE = 4.0
"""Of the cells that split it: its value changes no time."""

_PRESET = """\
name: waiting
title: a model that waits
kind: image
path: {folder}
pipeline: FluxPipeline
dtype: float32
license: {{name: MIT, gated: false}}
call: {{height: {height}, width: {width}, num_inference_steps: 50, guidance_scale: 1.0,
  true_cfg_scale: {guidance}, negative_prompt: "", max_sequence_length: 16}}
limits: {{size_multiple: 2}}
seed: 42
sampling: {{algo: wavefront, cores: 8, rounds: auto, stop: {{criterion: core_index, index: 1}}}}
prompts: [a photo of a cat]
"""


def write_model(folder: Path) -> None:
    """Saves the model in a folder."""
    torch.manual_seed(0)
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    vae = AutoencoderKL(
        block_out_channels=(4,),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.06,
        scaling_factor=1.5,
        mid_block_add_attention=False,  # it would grow with the square of the pixels
    )
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=[4, 4, 8],
        guidance_embeds=False,
    )
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae.eval(),
        text_encoder=clip_text_model(clip),
        tokenizer=clip,
        text_encoder_2=t5_encoder(t5),
        tokenizer_2=t5,
        transformer=transformer.eval(),
    ).save_pretrained(folder)


def write_preset(folder: Path, megabytes: float, *, guided: bool) -> Path:
    """Writes a preset of the model beside it and returns its path."""
    height, width = SIZES[megabytes]
    path = folder.with_name(f"waiting-{megabytes:g}{'-guided' if guided else ''}.yaml")
    guidance = GUIDANCE if guided else 1.0
    path.write_text(_PRESET.format(folder=folder, height=height, width=width, guidance=guidance))
    return path
