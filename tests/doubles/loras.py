"""A LoRA with random layers."""

from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig, get_peft_model_state_dict

from tests.doubles import tiny


def tiny_lora(folder: Path) -> Path:
    """A LoRA of the tiny FLUX's transformer and text encoder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe = tiny.flux()
        config: dict[str, Any] = {"r": 4, "init_lora_weights": False}
        pipe.transformer.add_adapter(LoraConfig(target_modules=["to_q", "proj_out"], **config))
        pipe.text_encoder.add_adapter(LoraConfig(target_modules=["q_proj"], **config))
    parts = {"transformer": pipe.transformer, "text_encoder": pipe.text_encoder}
    layers = {f"{name}_lora_layers": get_peft_model_state_dict(p) for name, p in parts.items()}
    pipe.save_lora_weights(folder, **layers, **_collate_lora_metadata(parts))
    return folder / "pytorch_lora_weights.safetensors"
