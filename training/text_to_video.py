"""The demo video model's transformer and text encoder, trained together by flow matching.

First on single frames, which are cheap and teach shapes, colours and grounds; then on clips, which
add motion.
"""

import random
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

from training.clips import (
    CLIP_FRAMES,
    Clip,
    describe,
    frame_times,
    layout,
    paint_frames,
    sample_clip,
    vocabulary,
)
from training.flow import SHIFT, flow_loss, optimizers
from training.loop import Every, Loop, Losses, Schedule, averaged_weights
from training.pictures import save_grid
from training.shapes import Layout
from training.stream import LatentStream, Tokens, draw_part
from training.tokenizers import t5_tokenizer
from training.video_autoencoder import channels_last
from training.video_sampling import TEXT_LENGTH, sample_clips

STILL_STEPS = 800
STILLS = 8 / 3
"""Single frames of a step, as a part of the clips that another step takes."""
_FUSED = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
_WIDTH, _HEADS, _LAYERS = 160, 5, 7
_ENCODED = 64
"""Clips that are painted and encoded at a time."""

Still = tuple[Clip, float]
"""A clip and one moment of it."""


class TextToVideo(nn.Module):
    """Everything that this stage trains, with the tokenizer that belongs to it."""

    def __init__(self, latent_channels: int) -> None:
        super().__init__()
        self.tokenizer: T5Tokenizer = t5_tokenizer(vocabulary(), TEXT_LENGTH)
        self.text_encoder = _text_encoder(self.tokenizer)
        self.transformer = _transformer(latent_channels, self.text_encoder)

    def forward(self, latents: Tensor, sigmas: Tensor, tokens: Tokens) -> Tensor:
        """The drift at latents (B, C, F, H, W) and sigmas (B,), as `WanPipeline` does.

        The text encoder's states are zero where a sentence has ended.
        """
        words = tokens["words"]
        heard = (words != self.tokenizer.pad_token_id).long()
        states = self.text_encoder(words, heard)[0] * heard[..., None]
        return self.transformer(
            hidden_states=latents,
            timestep=sigmas * 1000.0,
            encoder_hidden_states=states,
            return_dict=False,
        )[0]

    def load(self, folder: Path) -> None:
        """Take the weights of a diffusers folder of this architecture."""
        encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder")
        self.text_encoder.load_state_dict(encoder.state_dict())
        transformer = WanTransformer3DModel.from_pretrained(folder / "transformer")
        self.transformer.load_state_dict(transformer.state_dict())


def train_text_to_video(
    folder: Path,
    vae: AutoencoderKLWan,
    schedule: Schedule,
    *,
    device: str,
    batch: int = 48,
    seed: int = 0,
    workers: int = 0,
    compiled: bool = False,
    pairs: float = 0.3,
    start: Path | None = None,
) -> TextToVideo:
    """Train, or go on training, and return the averaged model.

    On a CPU attention runs as plain matrix products: there its fused backward pass is slow.

    Args:
        folder: of checkpoints and samples.
        vae: whose latents are learned.
        schedule: where to end.
        device: to train on.
        batch: clips of a step.
        seed: of everything that is drawn.
        workers: processes that draw clips ahead.
        compiled: whether to compile the transformer.
        pairs: the part of clips with two shapes.
        start: a diffusers folder whose weights to begin with; it has learnt from single frames.
    """
    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")
    vae = channels_last(vae.eval().to(device))
    model = TextToVideo(vae.config.z_dim).to(device)
    if start:
        model.load(start)
    # The residual stream stays in fp32 under autocast, as it is when the model is used.
    model.transformer.patch_embedding.register_forward_hook(lambda _, __, output: output.float())
    loop = Loop(model, optimizers(model), folder, ema=0.999)
    model.transformer.compile(disable=not compiled)
    stills_first = 0 if start else STILL_STEPS
    stills = LatentStream(
        partial(draw_part, _sample_still, _describe_still, _layout_stills, tokenize, seed),
        partial(encode_frames, vae, count=1),
        batch=round(batch * STILLS),
        workers=min(workers, 1),
        first=2,
        uses=16,
    )
    sampled = partial(sample_clip, pairs=pairs)
    clips = LatentStream(
        partial(draw_part, sampled, describe, layout, tokenize, f"{seed} clips"),
        partial(encode_frames, vae),
        batch=batch,
        workers=workers,
        first=2,
        uses=16,
    )
    attention = [SDPBackend.MATH] if vae.device.type == "cpu" else list(_FUSED)

    def losses_at(step: int) -> Losses:
        rng = random.Random(f"{seed} step {step}")
        generator = torch.Generator(device).manual_seed(rng.getrandbits(62))
        still = step < stills_first or step % 8 == 0
        latents, tokens = (stills if still else clips).batch(step, generator)
        with torch.autocast(latents.device.type, torch.bfloat16), sdpa_kernel(attention):
            return {"still" if still else "flow": flow_loss(model, latents, tokens, generator)}

    def sample(step: int) -> None:
        frames = 1 if step <= stills_first else CLIP_FRAMES
        images = sample_clips(pipeline(loop.averaged, vae), frames=frames)
        save_grid(images, folder / f"step-{step:06d}.png", columns=max(frames, 6))

    try:
        loop.run(losses_at, schedule, every=Every(save=200, sample=2000), sample=sample)
    finally:
        stills.close()
        clips.close()
    return loop.averaged


def averaged_model(folder: Path, latent_channels: int, *, last: bool = False) -> TextToVideo:
    """The averaged weights of the checkpoint in `folder`, or the last ones."""
    model = TextToVideo(latent_channels)
    model.load_state_dict(averaged_weights(folder, last=last))
    return model.eval()


def tokenize(sentences: list[str]) -> dict[str, np.ndarray]:
    """Return the token of each word (B, TEXT_LENGTH)."""
    options = {"padding": "max_length", "truncation": True, "return_tensors": "np"}
    words = _tokenizer()(sentences, max_length=TEXT_LENGTH, **options).input_ids
    return {"words": words.astype(np.int16)}


@cache
def _tokenizer() -> T5Tokenizer:
    return t5_tokenizer(vocabulary(), TEXT_LENGTH)


@torch.no_grad()
def encode_frames(vae: AutoencoderKLWan, frames: Layout, count: int = CLIP_FRAMES) -> Tensor:
    """Scaled latents of painted clips of `count` frames, shape (B, C, F, H, W)."""
    mean, std = (
        torch.tensor(values, device=vae.device)[:, None, None, None]
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    parts = []
    for first in range(0, len(frames), _ENCODED * count):
        clips = paint_frames(frames[first : first + _ENCODED * count], count, device=vae.device)
        with torch.autocast(vae.device.type, torch.bfloat16):
            parts.append(vae.encode(clips).latent_dist.mode().float())
    return (torch.cat(parts) - mean) / std


def scheduler() -> UniPCMultistepScheduler:
    """The scheduler as Wan2.1's repositories have it, at their shift for small clips."""
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT
    )


def pipeline(model: TextToVideo, vae: AutoencoderKLWan) -> WanPipeline:
    """The stock pipeline around the trained parts."""
    pipe = WanPipeline(
        tokenizer=model.tokenizer,
        text_encoder=model.text_encoder.eval(),
        transformer=model.transformer.eval(),
        vae=vae,
        scheduler=scheduler(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _sample_still(rng: random.Random) -> Still:
    return sample_clip(rng), rng.choice(frame_times())


def _describe_still(still: Still, rng: random.Random) -> str:
    return describe(still[0], rng, moving=False)


def _layout_stills(stills: list[Still]) -> Layout:
    return layout([clip for clip, _ in stills], [[time] for _, time in stills])


def _transformer(latent_channels: int, text_encoder: UMT5EncoderModel) -> WanTransformer3DModel:
    """One token for each 16x16 pixels of four frames; blocks begin as the identity."""
    model = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=_HEADS,
        attention_head_dim=_WIDTH // _HEADS,
        in_channels=latent_channels,
        out_channels=latent_channels,
        text_dim=text_encoder.config.d_model,
        freq_dim=128,
        ffn_dim=3 * _WIDTH,
        num_layers=_LAYERS,
        rope_max_seq_len=64,
    )
    modulation = model.condition_embedder.time_proj
    tables = [block.scale_shift_table for block in model.blocks]
    for parameter in (modulation.weight, modulation.bias, *tables, *model.proj_out.parameters()):
        nn.init.zeros_(parameter)
    return model


def _text_encoder(tokenizer: T5Tokenizer) -> UMT5EncoderModel:
    return UMT5EncoderModel(
        UMT5Config(
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
