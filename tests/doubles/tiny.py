"""Tiny random pipelines of real architectures: the released classes, tokenizers and encoders.

Weights are random and seeded, so a repository saved from one is a real repository that loads and
runs in milliseconds. Sizes follow diffusers' own tests.
"""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE

from tests.doubles.tiny_parts import (
    clip_text_model,
    clip_tokenizer,
    image_vae,
    llama_model,
    llama_tokenizer,
    seeded,
    t5_encoder,
    t5_tokenizer,
)

CALLS: dict[str, dict[str, Any]] = {
    "flux": {"height": 8, "width": 8, "guidance_scale": 3.5, "max_sequence_length": 16},
    "sd3": {
        "negative_prompt": "bad",
        "height": 16,
        "width": 16,
        "guidance_scale": 5.0,
        "max_sequence_length": 16,
    },
    "hunyuan": {
        "height": 16,
        "width": 16,
        "num_frames": 9,
        "guidance_scale": 4.5,
        "max_sequence_length": 16,
    },
    "wan": {
        "negative_prompt": "bad",
        "height": 16,
        "width": 16,
        "num_frames": 9,
        "guidance_scale": 6.0,
        "max_sequence_length": 16,
    },
    "cogvideo": {
        "negative_prompt": "bad",
        "height": 16,
        "width": 16,
        "num_frames": 8,
        "guidance_scale": 6.0,
        "max_sequence_length": 16,
    },
}
"""The smallest sensible call of each family, without prompt and number of steps."""


def flux() -> DiffusionPipeline:
    """FLUX.1-dev: distilled guidance, dynamic shifting."""
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    with seeded():
        return FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
            vae=image_vae(latent_channels=1),
            text_encoder=clip_text_model(clip),
            tokenizer=clip,
            text_encoder_2=t5_encoder(t5),
            tokenizer_2=t5,
            transformer=FluxTransformer2DModel(
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
            ).eval(),
        )


def sd3() -> DiffusionPipeline:
    """Stable Diffusion 3.5: three encoders, true guidance in one batch."""
    clip, other_clip, t5 = clip_tokenizer(), clip_tokenizer(), t5_tokenizer()
    with seeded():
        return StableDiffusion3Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=image_vae(latent_channels=4),
            text_encoder=clip_text_model(clip, projection=32),
            tokenizer=clip,
            text_encoder_2=clip_text_model(other_clip, projection=32),
            tokenizer_2=other_clip,
            text_encoder_3=t5_encoder(t5, width=64),  # as wide as both CLIPs together
            tokenizer_3=t5,
            transformer=SD3Transformer2DModel(
                sample_size=32,
                patch_size=1,
                in_channels=4,
                num_layers=2,
                attention_head_dim=8,
                num_attention_heads=4,
                caption_projection_dim=32,
                joint_attention_dim=64,
                pooled_projection_dim=64,
                out_channels=4,
            ).eval(),
        )


def hunyuan() -> DiffusionPipeline:
    """HunyuanVideo: a Llama encoder behind a prompt template."""
    template = DEFAULT_PROMPT_TEMPLATE["template"].replace("{}", "")
    llama, clip = llama_tokenizer(template), clip_tokenizer()
    with seeded():
        return HunyuanVideoPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
            vae=_hunyuan_vae(),
            text_encoder=llama_model(llama),
            tokenizer=llama,
            text_encoder_2=clip_text_model(clip, width=8),
            tokenizer_2=clip,
            transformer=HunyuanVideoTransformer3DModel(
                in_channels=4,
                out_channels=4,
                num_attention_heads=2,
                attention_head_dim=10,
                num_layers=1,
                num_single_layers=1,
                num_refiner_layers=1,
                patch_size=1,
                patch_size_t=1,
                guidance_embeds=True,
                text_embed_dim=16,
                pooled_projection_dim=8,
                rope_axes_dim=(2, 4, 4),
            ).eval(),
        )


def wan() -> DiffusionPipeline:
    """Wan2.1: a second-order multistep scheduler, float32 latents."""
    t5 = t5_tokenizer()
    with seeded():
        return WanPipeline(
            scheduler=UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
            ),
            vae=AutoencoderKLWan(
                base_dim=3,
                z_dim=16,
                dim_mult=[1, 1, 1, 1],
                num_res_blocks=1,
                temperal_downsample=[False, True, True],
            ).eval(),
            text_encoder=t5_encoder(t5, multilingual=True),
            tokenizer=t5,
            transformer=WanTransformer3DModel(
                patch_size=(1, 2, 2),
                num_attention_heads=2,
                attention_head_dim=12,
                in_channels=16,
                out_channels=16,
                text_dim=32,
                freq_dim=256,
                ffn_dim=32,
                num_layers=2,
                cross_attn_norm=True,
                qk_norm="rms_norm_across_heads",
                rope_max_seq_len=32,
            ).eval(),
        )


def cogvideo() -> DiffusionPipeline:
    """CogVideoX: v prediction, DDIM with trailing spacing and zero terminal SNR."""
    t5 = t5_tokenizer()
    with seeded():
        return CogVideoXPipeline(
            scheduler=CogVideoXDDIMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                prediction_type="v_prediction",
                clip_sample=False,
                rescale_betas_zero_snr=True,
                snr_shift_scale=1.0,
                timestep_spacing="trailing",
                set_alpha_to_one=True,
            ),
            vae=_cogvideo_vae(),
            text_encoder=t5_encoder(t5),
            tokenizer=t5,
            transformer=CogVideoXTransformer3DModel(
                num_attention_heads=4,
                attention_head_dim=8,
                in_channels=4,
                out_channels=4,
                time_embed_dim=2,
                text_embed_dim=32,
                num_layers=1,
                sample_width=2,
                sample_height=2,
                sample_frames=9,
                patch_size=2,
                temporal_compression_ratio=4,
                max_text_seq_length=16,
            ).eval(),
        )


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "flux": flux,
    "sd3": sd3,
    "hunyuan": hunyuan,
    "wan": wan,
    "cogvideo": cogvideo,
}


def _hunyuan_vae() -> torch.nn.Module:
    return AutoencoderKLHunyuanVideo(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        scaling_factor=0.476986,
        spatial_compression_ratio=8,
        temporal_compression_ratio=4,
        mid_block_add_attention=True,
    ).eval()


def _cogvideo_vae() -> torch.nn.Module:
    return AutoencoderKLCogVideoX(
        in_channels=3,
        out_channels=3,
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    ).eval()
