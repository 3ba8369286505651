"""The call that the demo video model's preset makes, and clips to look at."""

import random
from dataclasses import dataclass

import torch
from diffusers import WanPipeline
from torch import Tensor

from training.clips import CLIP_FRAMES, CLIP_SIZE, plain_sentence, sample_clip

TEXT_LENGTH = 32
GUIDANCE = 4.0


@dataclass(frozen=True, slots=True)
class VideoCall:
    """The preset's call of the pipeline."""

    num_inference_steps: int = 50
    guidance_scale: float = GUIDANCE
    height: int = CLIP_SIZE
    width: int = CLIP_SIZE
    num_frames: int = CLIP_FRAMES
    max_sequence_length: int = TEXT_LENGTH

    def __call__(self, pipe: WanPipeline, prompts: list[str], seeds: list[int]) -> Tensor:
        """Clips in [-1, 1], each from its own seed, shape (B, F, 3, H, W)."""
        clips = pipe(
            prompts,
            negative_prompt=[""] * len(prompts),
            guidance_scale=self.guidance_scale,
            num_inference_steps=self.num_inference_steps,
            height=self.height,
            width=self.width,
            num_frames=self.num_frames,
            max_sequence_length=self.max_sequence_length,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="pt",
        ).frames
        return clips * 2.0 - 1.0


def sample_clips(pipe: WanPipeline, count: int = 12, frames: int = CLIP_FRAMES) -> Tensor:
    """The frames of held-out clips to look at, one clip after the other, shape (B F, 3, H, W)."""
    rng = random.Random(7)
    prompts = [plain_sentence(sample_clip(rng, held_out=True)) for _ in range(count)]
    call = VideoCall(num_inference_steps=25, num_frames=frames)
    return call(pipe, prompts, list(range(count))).flatten(0, 1)
