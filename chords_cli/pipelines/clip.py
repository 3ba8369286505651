"""How well a picture fits its prompt, as CLIP sees it: the usual CLIP score, 100 x cosine."""

from pathlib import Path

import numpy as np
import torch
from transformers import CLIPModel, CLIPProcessor

_MOST_FRAMES = 16
"""Of a video, this many frames at equal distances are scored."""


class ClipScore:
    """A CLIP model in this process."""

    def __init__(self, folder: Path) -> None:
        self._model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        self._processor = CLIPProcessor.from_pretrained(folder, local_files_only=True)

    @torch.inference_mode()
    def score(self, prompt: str, frames: np.ndarray) -> float:
        """Scores `frames` (uint8, [frames, height, width, 3]) by their mean: 0 to 100."""
        chosen = np.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES)).round().astype(int)
        inputs = self._processor(
            text=[prompt],
            images=[np.asarray(frames[number]) for number in chosen],
            return_tensors="pt",
            padding=True,
            truncation=True,
        )
        seen = self._model(**inputs)
        pictures, text = (
            torch.nn.functional.normalize(e, dim=-1) for e in (seen.image_embeds, seen.text_embeds)
        )
        return float((100 * pictures @ text.T).clamp(min=0).mean())
