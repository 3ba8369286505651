"""Flow matching, as all demo models are trained: the loss, the noise levels, the optimizers."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

SHIFT = 3.0
"""How far sampling grids and noise levels lean towards noise, in both models."""
CAPTION_DROPOUT = 0.1
TIMESTEP_SPREAD = 1.4
LEARNING_RATE = 2e-3

Captions = TypeVar("Captions")


def flow_loss(
    drift: Callable[[Tensor, Tensor, Captions], Tensor],
    latents: Tensor,
    captions: Captions,
    generator: torch.Generator,
) -> Tensor:
    """Squared error of the drift on straight paths to noise (Lipman et al., 2023).

    Args:
        drift: what is trained: latents (B, ...), sigmas (B,) and B captions to a drift (B, ...).
        latents: of the data.
        captions: their sentences, or the tokens of these.
        generator: draws noise and sigmas.
    """
    noise = torch.randn(latents.shape, generator=generator, device=latents.device)
    sigmas = training_sigmas(len(latents), generator)
    mix = sigmas.reshape(-1, *(1,) * (latents.ndim - 1))
    output = drift((1.0 - mix) * latents + mix * noise, sigmas, captions)
    return mse_loss(output.float(), noise - latents)


def training_sigmas(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels, logit-normal and then shifted as the sampling grid is."""
    normal = torch.randn(count, generator=generator, device=generator.device)
    sigmas = torch.sigmoid(TIMESTEP_SPREAD * normal)
    return SHIFT * sigmas / (1.0 + (SHIFT - 1.0) * sigmas)


def optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the matrices between hidden states, AdamW for everything else."""
    hidden, others = [], []
    for name, parameter in model.named_parameters():
        inner = any(part in name for part in ("blocks.", ".layers.", ".block."))
        matrix = parameter.ndim == 2 and "relative_attention_bias" not in name
        (hidden if inner and matrix else others).append(parameter)
    muon = {"weight_decay": 0.05, "adjust_lr_fn": "match_rms_adamw"}
    return [
        torch.optim.Muon(hidden, lr=LEARNING_RATE, **muon),
        torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]
