"""The demo video model's autoencoder: a small Wan one, its training, and its latents' statistics.

As for pictures, most steps train on small windows and fewer frames, and half of the last ones on
whole clips. Pixels go in and out two by two (`patch_size`), as in Wan2.2, which spares the two most
expensive layers.
"""

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

from training.ahead import Ahead
from training.autoencoder import autoencoder_losses, convolution_optimizers, psnr
from training.clips import (
    CLIP_SIZE,
    Clip,
    draw,
    frame_times,
    layout,
    paint_frames,
    sample_clip,
)
from training.loop import Every, Loop, Losses, Schedule
from training.pictures import save_grid
from training.shapes import Layout

WINDOW = 32
WINDOW_FRAMES = 9
_CHANNELS = 16


def build_autoencoder() -> AutoencoderKLWan:
    """Eight times smaller on each side, four times fewer frames, sixteen channels deep.

    The latents' deviations begin small: at one, the default, noise hides what is to be learned.
    """
    model = AutoencoderKLWan(
        base_dim=32,
        z_dim=_CHANNELS,
        dim_mult=[1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[True, True],
        in_channels=12,
        out_channels=12,
        patch_size=2,
        latents_mean=[0.0] * _CHANNELS,
        latents_std=[1.0] * _CHANNELS,
    )
    nn.init.constant_(model.quant_conv.bias[_CHANNELS:], -6.0)
    return model


def train_autoencoder(
    model: AutoencoderKLWan,
    folder: Path,
    schedule: Schedule,
    *,
    device: str,
    batch: int = 16,
    seed: int = 0,
    workers: int = 0,
) -> AutoencoderKLWan:
    """Train what of `model` takes gradients, or go on training; the averaged model."""
    torch.manual_seed(seed)
    model = channels_last(model.to(device))
    loop = Loop(model, convolution_optimizers(model), folder, ema=0.995)
    clips_at = Ahead(partial(training_clips, seed, batch), workers)

    def losses_at(step: int) -> Losses:
        whole = step % (2 if schedule.decaying(step) else 8) == 0
        clips = clips_at(step).paint(device, whole=whole)
        with torch.autocast(clips.device.type, torch.bfloat16):
            posterior = DiagonalGaussianDistribution(model._encode(clips).float())
            output = decode(model, posterior.sample()).float()
        return autoencoder_losses(posterior, output, clips)

    def sample(step: int) -> None:
        clips = held_out_clips(4).to(device)
        strips = torch.cat([clips, reconstruct(loop.averaged, clips)]).transpose(1, 2)
        frames = strips.flatten(0, 1)
        save_grid(frames, folder / f"step-{step:06d}.png", columns=clips.shape[2])

    try:
        loop.run(losses_at, schedule, every=Every(save=200, sample=2000), sample=sample)
    finally:
        clips_at.close()
    return loop.averaged


@dataclass(frozen=True, slots=True)
class TrainingClips:
    """What a step may train on.

    Attributes:
        parts: `WINDOW_FRAMES` frames of each of B clips.
        windows: (B, 2) the top left pixel of a window into each.
        whole: all frames of an eighth as many clips, at least of one.
    """

    parts: Layout
    windows: np.ndarray
    whole: Layout

    def paint(self, device: torch.device | str, *, whole: bool) -> Tensor:
        """Windows of a few frames around a shape, or whole clips, shape (B, 3, F, H, W)."""
        if whole:
            return paint_frames(self.whole, device=device)
        windows = torch.from_numpy(self.windows)
        return paint_frames(self.parts, WINDOW_FRAMES, windows, WINDOW, device)


def training_clips(seed: int, batch: int, step: int) -> TrainingClips:
    """Draw the clips of a step."""
    rng = random.Random(f"{seed} {step}")
    clips = [sample_clip(rng) for _ in range(batch)]
    first = rng.randint(0, len(frame_times()) - WINDOW_FRAMES)
    times = frame_times()[first : first + WINDOW_FRAMES]
    windows = [_window(clip, rng.choice(times), rng) for clip in clips]
    return TrainingClips(
        layout(clips, [times] * batch),
        np.array(windows, dtype=np.float32),
        layout(clips[: max(1, batch // 8)]),
    )


def held_out_clips(count: int, seed: int = 1) -> Tensor:
    """Clips whose combinations training never shows, shape (B, 3, F, H, W)."""
    rng = random.Random(seed)
    return draw([sample_clip(rng, held_out=True) for _ in range(count)])


def held_out_psnr(model: AutoencoderKLWan, count: int = 40) -> float:
    """Mean reconstruction PSNR in dB over the frames of held-out clips."""
    clips = held_out_clips(count)
    copies = [reconstruct(model, part.to(model.device)).cpu() for part in clips.split(8)]
    frames, others = (part.transpose(1, 2).flatten(0, 1) for part in (clips, torch.cat(copies)))
    return round(psnr(frames, others), 2)


@torch.no_grad()
def reconstruct(model: AutoencoderKLWan, clips: Tensor) -> Tensor:
    return model.decode(model.encode(clips).latent_dist.mode()).sample


def decode(model: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Decode without the clamp of `model.decode`, past which no gradient flows.

    Shape (B, 16, F, H, W) to (B, 3, 4 F - 3, 8 H, 8 W).
    """
    model.clear_cache()
    latents = model.post_quant_conv(latents)
    parts = []
    for frame, latent in enumerate(latents.split(1, dim=2)):
        model._conv_idx = [0]
        parts.append(
            model.decoder(
                latent,
                feat_cache=model._feat_map,
                feat_idx=model._conv_idx,
                first_chunk=frame == 0,
            )
        )
    model.clear_cache()
    blocks = torch.cat(parts, dim=2).unflatten(1, (3, 2, 2))
    return blocks.permute(0, 1, 4, 5, 3, 6, 2).flatten(5, 6).flatten(3, 4)


@torch.no_grad()
def scaled(model: AutoencoderKLWan, count: int = 96) -> AutoencoderKLWan:
    """Set the means and deviations by which the pipeline scales each channel of the latents."""
    clips = [sample_clip(random.Random(f"statistics {index}")) for index in range(count)]
    parts = [clips[start : start + 8] for start in range(0, count, 8)]
    latents = [model.encode(draw(part).to(model.device)).latent_dist.mode() for part in parts]
    channels = torch.cat(latents).transpose(0, 1).flatten(1)
    model.register_to_config(
        latents_mean=channels.mean(1).tolist(), latents_std=channels.std(1).tolist()
    )
    return model


def channels_last(model: AutoencoderKLWan) -> AutoencoderKLWan:
    """Put the weights of convolutions in the order that CPUs compute them in."""
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)
        elif isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return model


def _window(clip: Clip, time: float, rng: random.Random) -> tuple[float, float]:
    """The top left pixel of a window that has a part of one of the shapes in it at `time`."""
    blob = rng.choice(clip.actors).at(time)
    half, limit = CLIP_SIZE / 2, CLIP_SIZE - WINDOW
    x = (blob.centre[0] + rng.uniform(-1, 1) * blob.radius + 1.0) * half - WINDOW / 2
    y = (1.0 - blob.centre[1] + rng.uniform(-1, 1) * blob.radius) * half - WINDOW / 2
    return min(max(round(x), 0), limit), min(max(round(y), 0), limit)
