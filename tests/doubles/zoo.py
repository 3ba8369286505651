"""Tiny random pipelines of further architectures, to which no product code refers: images."""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    ChromaPipeline,
    ChromaTransformer2DModel,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    ErnieImagePipeline,
    ErnieImageTransformer2DModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)

from tests.doubles import zoo_videos
from tests.doubles.tiny_parts import (
    clip_text_model,
    clip_tokenizer,
    gemma_model,
    gemma_tokenizer,
    image_vae,
    mistral_model,
    qwen3_model,
    qwen_tokenizer,
    qwen_vision_model,
    seeded,
    t5_encoder,
    t5_tokenizer,
)

BAD = {"negative_prompt": "bad"}
SQUARE = {"height": 32, "width": 32}
SHORT = {"max_sequence_length": 16}

CALLS: dict[str, dict[str, Any]] = {
    "qwen-image": {**BAD, **SQUARE, "true_cfg_scale": 4.0},
    "flux2": {**SQUARE, **SHORT, "guidance_scale": 4.0, "text_encoder_out_layers": [1]},
    "flux2-klein": {**SQUARE, **SHORT, "guidance_scale": 4.0, "text_encoder_out_layers": [1]},
    "z-image": {**BAD, **SQUARE, **SHORT, "guidance_scale": 3.0, "cfg_truncation": 0.5},
    "sana": {
        **SQUARE,
        **SHORT,
        "use_resolution_binning": False,
        "complex_human_instruction": None,
    },
    "chroma": {**BAD, **SHORT, "height": 16, "width": 16, "guidance_scale": 4.0},
    "sdxl": {**BAD, **SQUARE, "guidance_scale": 5.0},
    "pixart-sigma": {**SHORT, "height": 16, "width": 16, "use_resolution_binning": False},
    "ernie-image": {"height": 16, "width": 16, "guidance_scale": 4.0},
    "lumina2": {**SQUARE, **SHORT, "guidance_scale": 4.0, "cfg_trunc_ratio": 0.4},
    **zoo_videos.CALLS,
}
"""The smallest sensible call of each family, without prompt and number of steps."""


def qwen_image() -> DiffusionPipeline:
    """QwenImage: a vision-language model encodes, true guidance in two passes."""
    tokenizer = qwen_tokenizer()
    with seeded():
        return QwenImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(
                use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, shift_terminal=0.02
            ),
            vae=AutoencoderKLQwenImage(
                base_dim=24,
                z_dim=4,
                dim_mult=[1, 2, 4],
                num_res_blocks=1,
                temperal_downsample=[False, True],
                latents_mean=[0.0] * 4,
                latents_std=[1.0] * 4,
            ).eval(),
            text_encoder=qwen_vision_model(tokenizer),
            tokenizer=tokenizer,
            transformer=QwenImageTransformer2DModel(
                patch_size=2,
                in_channels=16,
                out_channels=4,
                num_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=16,
                axes_dims_rope=(8, 4, 4),
            ).eval(),
        )


def flux2() -> DiffusionPipeline:
    """Flux2: latents are given unpacked and packed by the pipeline."""
    tokenizer = qwen_tokenizer()  # released with a processor of text and images
    with seeded():
        return Flux2Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=_flux2_vae(),
            text_encoder=mistral_model(tokenizer),
            tokenizer=tokenizer,
            transformer=_flux2_transformer(),
        )


def flux2_klein() -> DiffusionPipeline:
    """Flux2 Klein: returns its latents unpacked and denormalized, even undecoded."""
    tokenizer = qwen_tokenizer()
    with seeded():
        return Flux2KleinPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=_flux2_vae(),
            text_encoder=qwen3_model(tokenizer),
            tokenizer=tokenizer,
            transformer=_flux2_transformer(),
        )


def z_image() -> DiffusionPipeline:
    """Z-Image: prompts as lists of tensors, guidance cut off along the grid."""
    tokenizer = qwen_tokenizer()
    with seeded():
        transformer = ZImageTransformer2DModel(
            all_patch_size=(2,),
            all_f_patch_size=(1,),
            in_channels=16,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[8, 4, 4],
            axes_lens=[256, 32, 32],
        ).eval()
        for token in (transformer.x_pad_token, transformer.cap_pad_token):
            torch.nn.init.normal_(token, std=0.02)  # released with weights, not initialized
        return ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=image_vae(latent_channels=16, halvings=1),
            text_encoder=qwen3_model(tokenizer),
            tokenizer=tokenizer,
            transformer=transformer,
        )


def sana() -> DiffusionPipeline:
    """Sana: DPM++ of second order on flow sigmas."""
    tokenizer = gemma_tokenizer()
    with seeded():
        return SanaPipeline(
            scheduler=DPMSolverMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
            ),
            vae=_sana_vae(),
            text_encoder=gemma_model(tokenizer),
            tokenizer=tokenizer,
            transformer=SanaTransformer2DModel(
                patch_size=1,
                in_channels=4,
                out_channels=4,
                num_layers=1,
                num_attention_heads=2,
                attention_head_dim=4,
                num_cross_attention_heads=2,
                cross_attention_head_dim=4,
                cross_attention_dim=8,
                caption_channels=8,
                sample_size=32,
            ).eval(),
        )


def chroma() -> DiffusionPipeline:
    """Chroma: true guidance on a Flux-like model."""
    t5 = t5_tokenizer()
    with seeded():
        return ChromaPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=image_vae(latent_channels=1, halvings=1),
            text_encoder=t5_encoder(t5),
            tokenizer=t5,
            transformer=ChromaTransformer2DModel(
                in_channels=4,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=32,
                axes_dims_rope=[4, 4, 8],
                approximator_hidden_dim=32,
                approximator_layers=1,
                approximator_num_channels=16,
            ).eval(),
        )


def sdxl() -> DiffusionPipeline:
    """SDXL: a UNet that predicts noise, latents scaled to the first sigma."""
    clip, other_clip = clip_tokenizer(), clip_tokenizer()
    with seeded():
        return StableDiffusionXLPipeline(
            scheduler=EulerDiscreteScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                steps_offset=1,
                timestep_spacing="leading",
            ),
            vae=image_vae(latent_channels=4, halvings=1),
            text_encoder=clip_text_model(clip),
            tokenizer=clip,
            text_encoder_2=clip_text_model(other_clip, projection=32),
            tokenizer_2=other_clip,
            unet=UNet2DConditionModel(
                block_out_channels=(2, 4),
                layers_per_block=1,
                sample_size=16,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                attention_head_dim=(2, 4),
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                transformer_layers_per_block=(1, 2),
                projection_class_embeddings_input_dim=80,
                cross_attention_dim=64,
                norm_num_groups=1,
            ).eval(),
        )


def pixart_sigma() -> DiffusionPipeline:
    """PixArt-Sigma: a loop that cannot be interrupted."""
    t5 = t5_tokenizer()
    with seeded():
        return PixArtSigmaPipeline(
            scheduler=DPMSolverMultistepScheduler(),
            vae=image_vae(latent_channels=4, halvings=1),
            text_encoder=t5_encoder(t5),
            tokenizer=t5,
            transformer=PixArtTransformer2DModel(
                sample_size=8,
                num_layers=1,
                patch_size=2,
                attention_head_dim=8,
                num_attention_heads=3,
                caption_channels=32,
                in_channels=4,
                cross_attention_dim=24,
                out_channels=8,
                norm_type="ada_norm_single",
            ).eval(),
        )


def ernie_image() -> DiffusionPipeline:
    """Ernie-Image: no `prepare_latents`, no interrupt check, steps returned as objects."""
    tokenizer = qwen_tokenizer()
    with seeded():
        transformer = ErnieImageTransformer2DModel(
            hidden_size=32,
            num_attention_heads=2,
            num_layers=1,
            ffn_hidden_size=32,
            in_channels=4,
            out_channels=4,
            text_in_dim=16,
            rope_axes_dim=(4, 6, 6),
        ).eval()
        for weight in transformer.parameters():  # some are zeros, so that nothing would move
            torch.nn.init.normal_(weight, std=0.1)
        return ErnieImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=_flux2_vae(),
            text_encoder=mistral_model(tokenizer).model,
            tokenizer=tokenizer,
            transformer=transformer,
        )


def lumina2() -> DiffusionPipeline:
    """Lumina2: no interrupt check, and guidance that ends at an index of the loop."""
    tokenizer = gemma_tokenizer()
    with seeded():
        transformer = Lumina2Transformer2DModel(
            sample_size=16,
            in_channels=4,
            hidden_size=16,
            num_layers=1,
            num_refiner_layers=1,
            num_attention_heads=2,
            num_kv_heads=1,
            multiple_of=16,
            axes_dim_rope=(4, 2, 2),
            axes_lens=(64, 16, 16),
            cap_feat_dim=8,
        ).eval()
        for weight in transformer.parameters():  # some are zeros, so that nothing would move
            torch.nn.init.normal_(weight, std=0.1)
        return Lumina2Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
            vae=image_vae(latent_channels=4, halvings=1),
            text_encoder=gemma_model(tokenizer),
            tokenizer=tokenizer,
            transformer=transformer,
        )


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "qwen-image": qwen_image,
    "flux2": flux2,
    "flux2-klein": flux2_klein,
    "z-image": z_image,
    "sana": sana,
    "chroma": chroma,
    "sdxl": sdxl,
    "pixart-sigma": pixart_sigma,
    "ernie-image": ernie_image,
    "lumina2": lumina2,
    **zoo_videos.BUILDERS,
}


def _flux2_transformer() -> torch.nn.Module:
    return Flux2Transformer2DModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 4, 4, 4),
    ).eval()


def _flux2_vae() -> torch.nn.Module:
    return AutoencoderKLFlux2(
        block_out_channels=(4,),
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        layers_per_block=1,
        latent_channels=1,
        norm_num_groups=1,
    ).eval()


def _sana_vae() -> torch.nn.Module:
    return AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=[1, 1],
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41407,
    ).eval()
