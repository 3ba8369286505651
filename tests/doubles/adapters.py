"""IP-Adapters for tiny pipelines with a UNet: random weights, and the encoder that they need."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.doubles.tiny_parts import seeded

WIDTH, TOKENS = 12, 4
"""Of what the encoder makes of a picture, and how many tokens that becomes."""


def image_encoder() -> CLIPVisionModelWithProjection:
    """A CLIP that looks at pictures of 32 pixels."""
    with seeded():
        config = CLIPVisionConfig(
            hidden_size=8,
            projection_dim=WIDTH,
            intermediate_size=16,
            num_attention_heads=2,
            num_hidden_layers=2,
            image_size=32,
            patch_size=16,
        )
        return CLIPVisionModelWithProjection(config).eval()


def save_ip_adapter(unet: UNet2DConditionModel, file: Path) -> Path:
    """Saves an IP-Adapter of random weights that fits `unet`; returns the file."""
    cross = unet.config.cross_attention_dim
    with seeded():
        tensors = {
            "image_proj.proj.weight": torch.randn(TOKENS * cross, WIDTH),
            "image_proj.proj.bias": torch.randn(TOKENS * cross),
            "image_proj.norm.weight": torch.ones(cross),
            "image_proj.norm.bias": torch.zeros(cross),
        }
        across = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
        for place, name in enumerate(across):
            attention = unet.get_submodule(name.removesuffix(".processor"))
            for half in ("k", "v"):
                shape = getattr(attention, f"to_{half}").weight.shape
                tensors[f"ip_adapter.{2 * place + 1}.to_{half}_ip.weight"] = torch.randn(shape)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    return file
