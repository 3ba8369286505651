"""The stock pipeline around a trained model, and the call that its preset makes."""

import random
from dataclasses import dataclass

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
from torch import Tensor

from training.flow import SHIFT
from training.scenes import plain_sentence, sample_scene
from training.tokenizers import T5_LENGTH

GUIDANCE = 3.5


@dataclass(frozen=True, slots=True)
class Call:
    """The preset's call of the pipeline."""

    num_inference_steps: int = 50
    true_cfg_scale: float = GUIDANCE
    height: int = 128
    width: int = 128
    max_sequence_length: int = T5_LENGTH

    def __call__(self, pipe: FluxPipeline, prompts: list[str], seeds: list[int]) -> Tensor:
        """Pictures in [-1, 1], each from its own seed."""
        images = pipe(
            prompts,
            negative_prompt=[""] * len(prompts),
            true_cfg_scale=self.true_cfg_scale,
            num_inference_steps=self.num_inference_steps,
            height=self.height,
            width=self.width,
            max_sequence_length=self.max_sequence_length,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="pt",
        ).images
        return images * 2.0 - 1.0


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """FLUX's grid, with its resolution dependent shift set so that 64 tokens get `SHIFT`."""
    mu = torch.tensor(SHIFT).log().item()
    return FlowMatchEulerDiscreteScheduler(
        shift=SHIFT,
        use_dynamic_shifting=True,
        base_image_seq_len=64,
        base_shift=mu,
        max_image_seq_len=256,
        max_shift=mu + 0.35,
    )


def sample_scenes(pipe: FluxPipeline, count: int = 24) -> Tensor:
    """Held-out scenes to look at."""
    rng = random.Random(7)
    prompts = [plain_sentence(sample_scene(rng, held_out=True)) for _ in range(count)]
    return Call(num_inference_steps=25)(pipe, prompts, list(range(count)))
