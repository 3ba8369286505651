"""The demo model's transformer and text encoders, trained together by flow matching on scenes."""

import random
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel
from diffusers.models.normalization import (
    AdaLayerNormContinuous,
    AdaLayerNormZero,
    AdaLayerNormZeroSingle,
)
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from training.flow import flow_loss, optimizers
from training.loop import Every, Loop, Losses, Schedule, averaged_weights
from training.pictures import save_grid
from training.sampling import sample_scenes, scheduler
from training.scenes import describe, layout, sample_scene, vocabulary
from training.shapes import Layout, paint
from training.stream import LatentStream, Tokens, draw_part
from training.tokenizers import T5_LENGTH, clip_tokenizer, t5_tokenizer

CLIP_TOKENS = 48
"""CLIP tokens of a sentence in training: no sentence is longer, and CLIP sees no padding."""
_WIDTH, _HEADS = 128, 4
_ENCODED = 256
"""Scenes that are painted and encoded at a time."""
_FUSED = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)


class TextToImage(nn.Module):
    """Everything that this stage trains, with the tokenizers that belong to it."""

    def __init__(self, latent_channels: int) -> None:
        super().__init__()
        self.clip_tokenizer: CLIPTokenizer = clip_tokenizer()
        self.t5_tokenizer: T5Tokenizer = t5_tokenizer(vocabulary(), T5_LENGTH)
        self.text_encoder = _clip_encoder(self.clip_tokenizer)
        self.text_encoder_2 = _t5_encoder(self.t5_tokenizer)
        self.transformer = _transformer(latent_channels, self.text_encoder, self.text_encoder_2)
        self.grid = 8

    def forward(self, latents: Tensor, sigmas: Tensor, tokens: Tokens) -> Tensor:
        """The drift at packed latents (B, 64, 4 C) and sigmas (B,), as `FluxPipeline` does.

        T5's states are those of all tokens, padding included, as in FLUX.
        """
        device = latents.device
        return self.transformer(
            hidden_states=latents,
            timestep=sigmas,
            pooled_projections=self.text_encoder(tokens["spelled"]).pooler_output,
            encoder_hidden_states=self.text_encoder_2(tokens["words"])[0],
            txt_ids=torch.zeros(T5_LENGTH, 3, device=device),
            img_ids=FluxPipeline._prepare_latent_image_ids(
                1, self.grid, self.grid, device, torch.float32
            ),
            return_dict=False,
        )[0]


def train_text_to_image(
    folder: Path,
    vae: AutoencoderKL,
    schedule: Schedule,
    *,
    device: str,
    batch: int = 64,
    seed: int = 0,
    workers: int = 0,
    compiled: bool = False,
) -> TextToImage:
    """Train, or go on training, and return the averaged model.

    On a CPU attention runs as plain matrix products: there its fused backward pass is slow.

    Args:
        folder: of checkpoints and samples.
        vae: whose latents are learned.
        schedule: where to end.
        device: to train on.
        batch: scenes of a step.
        seed: of everything that is drawn.
        workers: processes that draw scenes ahead.
        compiled: whether to compile the transformer.
    """
    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")
    vae = vae.eval().to(device, memory_format=torch.channels_last)
    model = TextToImage(vae.config.latent_channels).to(device)
    # The residual stream stays in fp32 under autocast, as it is when the model is used.
    for embedder in (model.transformer.x_embedder, model.transformer.context_embedder):
        embedder.register_forward_hook(lambda _, __, output: output.float())
    loop = Loop(model, optimizers(model), folder, ema=0.999)
    model.transformer.compile(disable=not compiled)
    stream = LatentStream(
        partial(draw_part, sample_scene, describe, layout, tokenize, seed),
        partial(encode_scenes, vae),
        batch=batch,
        workers=workers,
        first=8,
        uses=8,
    )
    attention = [SDPBackend.MATH] if vae.device.type == "cpu" else list(_FUSED)

    def losses_at(step: int) -> Losses:
        rng = random.Random(f"{seed} step {step}")
        generator = torch.Generator(device).manual_seed(rng.getrandbits(62))
        latents, tokens = stream.batch(step, generator)
        with torch.autocast(latents.device.type, torch.bfloat16), sdpa_kernel(attention):
            return {"flow": flow_loss(model, latents, tokens, generator)}

    def sample(step: int) -> None:
        save_grid(sample_scenes(pipeline(loop.averaged, vae)), folder / f"step-{step:06d}.png")

    every = Every(log=100, save=500, sample=4000)
    try:
        loop.run(losses_at, schedule, every=every, sample=sample)
    finally:
        stream.close()
    return loop.averaged


def averaged_model(folder: Path, latent_channels: int) -> TextToImage:
    """The averaged weights of the checkpoint in `folder`."""
    model = TextToImage(latent_channels)
    model.load_state_dict(averaged_weights(folder))
    return model.eval()


def tokenize(sentences: list[str]) -> dict[str, np.ndarray]:
    """Return T5's token of each word (B, T5_LENGTH) and CLIP's tokens (B, CLIP_TOKENS)."""
    t5, clip = _tokenizers()
    options = {"padding": "max_length", "truncation": True, "return_tensors": "np"}
    words = t5(sentences, max_length=T5_LENGTH, **options).input_ids
    spelled = clip(sentences, max_length=CLIP_TOKENS, **options).input_ids
    return {"words": words.astype(np.int16), "spelled": spelled.astype(np.int16)}


@cache
def _tokenizers() -> tuple[T5Tokenizer, CLIPTokenizer]:
    return t5_tokenizer(vocabulary(), T5_LENGTH), clip_tokenizer()


@torch.no_grad()
def encode_scenes(vae: AutoencoderKL, scenes: Layout) -> Tensor:
    """Packed, scaled latents of painted scenes, shape (B, 64, 4 C)."""
    parts = []
    for first in range(0, len(scenes), _ENCODED):
        images = paint(scenes[first : first + _ENCODED], device=vae.device)
        with torch.autocast(vae.device.type, torch.bfloat16):
            images = images.to(memory_format=torch.channels_last)
            parts.append(vae.encode(images).latent_dist.mode().float())
    latents = (torch.cat(parts) - vae.config.shift_factor) * vae.config.scaling_factor
    return FluxPipeline._pack_latents(latents, *latents.shape)


def pipeline(model: TextToImage, vae: AutoencoderKL) -> FluxPipeline:
    """The stock pipeline around the trained parts."""
    pipe = FluxPipeline(
        scheduler=scheduler(),
        vae=vae,
        text_encoder=model.text_encoder.eval(),
        tokenizer=model.clip_tokenizer,
        text_encoder_2=model.text_encoder_2.eval(),
        tokenizer_2=model.t5_tokenizer,
        transformer=model.transformer.eval(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _transformer(
    latent_channels: int, clip: CLIPTextModel, t5: T5EncoderModel
) -> FluxTransformer2DModel:
    model = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * latent_channels,
        num_layers=2,
        num_single_layers=6,
        attention_head_dim=_WIDTH // _HEADS,
        num_attention_heads=_HEADS,
        joint_attention_dim=t5.config.d_model,
        pooled_projection_dim=clip.config.hidden_size,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )
    modulations = (AdaLayerNormZero, AdaLayerNormZeroSingle, AdaLayerNormContinuous)
    for linear in [
        model.proj_out,
        *(module.linear for module in model.modules() if isinstance(module, modulations)),
    ]:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    return model


def _clip_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _t5_encoder(tokenizer: T5Tokenizer) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=96,
            d_kv=24,
            d_ff=192,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=24,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
        )
    )
