"""The demo model's autoencoder: its shape, its loss, and the statistics that scale its latents.

It is convolutional throughout, so most steps train on small windows around the edges of the
shapes, and only some steps, and all of the last ones, on whole pictures.
"""

import random
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from training.ahead import Ahead
from training.loop import Every, Loop, Losses, Schedule
from training.muon import ConvolutionMuon
from training.pictures import save_grid
from training.scenes import Point, Scene, draw, layout, sample_scene
from training.shapes import IMAGE_SIZE, Layout, paint

LEARNING_RATE = 4e-3
WINDOW = 64
KL_WEIGHT = 5e-5
_CHANNELS = 8


def build_autoencoder() -> AutoencoderKL:
    """Eight times smaller on each side, eight channels deep, no attention.

    The latents' deviations begin small: at one, the default, noise hides what is to be learned.
    """
    widths = (32, 48, 48, 48)
    model = AutoencoderKL(
        sample_size=IMAGE_SIZE,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=_CHANNELS,
        norm_num_groups=8,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        scaling_factor=1.0,
        shift_factor=0.0,
    )
    nn.init.constant_(model.encoder.conv_out.bias[_CHANNELS:], -6.0)
    return model


def train_autoencoder(
    folder: Path,
    schedule: Schedule,
    *,
    device: str,
    batch: int = 32,
    seed: int = 0,
    workers: int = 0,
) -> AutoencoderKL:
    """Train, or go on training, and return the averaged model with its latent statistics set."""
    torch.manual_seed(seed)
    model = build_autoencoder().to(device, memory_format=torch.channels_last)
    loop = Loop(model, convolution_optimizers(model), folder, ema=0.995)
    scenes_at = Ahead(partial(training_scenes, seed, batch), workers)

    def losses_at(step: int) -> Losses:
        whole = step % 4 == 0 or schedule.decaying(step)
        scenes, windows = scenes_at(step)
        if whole:
            images = paint(scenes[: batch // 4], device=device)
        else:
            images = paint(scenes, torch.from_numpy(windows), WINDOW, device=device)
        images = images.to(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16):
            posterior = DiagonalGaussianDistribution(model.encoder(images).float())
            output = model.decoder(posterior.sample()).float()
        return autoencoder_losses(posterior, output, images)

    def sample(step: int) -> None:
        images = held_out_images(32).to(device)
        save_grid(
            torch.cat([images, reconstruct(loop.averaged, images)]),
            folder / f"step-{step:06d}.png",
            columns=16,
        )

    try:
        loop.run(losses_at, schedule, every=Every(save=500, sample=1000), sample=sample)
    finally:
        scenes_at.close()
    return scaled(loop.averaged)


def convolution_optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the kernels between hidden states, AdamW for everything else.

    Muon brings the loss down several times as fast as AdamW alone does.
    """
    ends = (model.encoder.conv_in.weight, model.decoder.conv_out.weight)
    kernels, others = [], []
    for parameter in (p for p in model.parameters() if p.requires_grad):
        inner = parameter.numel() > 1000 and not any(parameter is end for end in ends)
        (kernels if parameter.ndim >= 4 and inner else others).append(parameter)
    muon = {"weight_decay": 0.0, "adjust_lr_fn": "match_rms_adamw"}
    return [
        ConvolutionMuon(kernels, lr=LEARNING_RATE, **muon),
        torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def autoencoder_losses(
    posterior: DiagonalGaussianDistribution, output: Tensor, images: Tensor
) -> Losses:
    """Pixels, edges, and a slight pull of the latents towards a unit Gaussian.

    Args:
        posterior: of the latents.
        output: what was decoded from them.
        images: what it should be, shape (..., H, W) as `output`.
    """
    pixels = l1_loss(output, images) + mse_loss(output, images)
    edges = torch.stack([l1_loss(output.diff(dim=dim), images.diff(dim=dim)) for dim in (-2, -1)])
    divergence = 0.5 * (posterior.mean**2 + posterior.var - 1.0 - posterior.logvar)
    return {"pixels": pixels, "edges": edges.sum(), "divergence": KL_WEIGHT * divergence.mean()}


def training_scenes(seed: int, batch: int, step: int) -> tuple[Layout, np.ndarray]:
    """The scenes of a step, with the top left pixel of a window into each (B, 2)."""
    rng = random.Random(f"{seed} {step}")
    scenes = [sample_scene(rng) for _ in range(batch)]
    windows = [_window(scene, rng) for scene in scenes]
    return layout(scenes), np.array(windows, dtype=np.float32)


def held_out_images(count: int, seed: int = 1) -> Tensor:
    """Pictures whose combinations training never shows."""
    rng = random.Random(seed)
    return draw([sample_scene(rng, held_out=True) for _ in range(count)])


@torch.no_grad()
def reconstruct(model: AutoencoderKL, images: Tensor) -> Tensor:
    return model.decode(model.encode(images).latent_dist.mode()).sample.clamp(-1.0, 1.0)


def psnr(images: Tensor, others: Tensor) -> float:
    """Peak signal to noise ratio in dB, of pictures in [-1, 1], the mean over the pictures."""
    errors = (images - others).square().flatten(1).mean(1).clamp(min=1e-10)
    return float((10.0 * torch.log10(4.0 / errors)).mean())


@torch.no_grad()
def scaled(model: AutoencoderKL, count: int = 256) -> AutoencoderKL:
    """Set the shift and scale that bring the latents to mean 0 and deviation 1."""
    images = draw([sample_scene(random.Random(f"statistics {index}")) for index in range(count)])
    batches = images.to(model.device).split(32)
    latents = torch.cat([model.encode(part).latent_dist.mode() for part in batches])
    model.register_to_config(
        shift_factor=float(latents.mean()), scaling_factor=1.0 / float(latents.std())
    )
    return model


def _window(scene: Scene, rng: random.Random) -> Point:
    """The top left pixel of a window that has a part of one of the shapes in it."""
    blob = rng.choice(scene.blobs)
    half, limit = IMAGE_SIZE / 2, IMAGE_SIZE - WINDOW
    x = (blob.centre[0] + rng.uniform(-1, 1) * blob.radius + 1.0) * half - WINDOW / 2
    y = (1.0 - blob.centre[1] + rng.uniform(-1, 1) * blob.radius) * half - WINDOW / 2
    return min(max(round(x), 0), limit), min(max(round(y), 0), limit)
