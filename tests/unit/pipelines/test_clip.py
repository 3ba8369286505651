import numpy as np
import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
)

from chords_cli.pipelines.clip import ClipScore

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 256, (3, 40, 56, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A tiny random CLIP with its processor, as its repositories hold them."""
    folder = tmp_path_factory.mktemp("clip")
    pieces = [piece for letter in "abcdefgh" for piece in (letter, f"{letter}</w>")]
    vocabulary = {p: n for n, p in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    small |= {"num_attention_heads": 2, "projection_dim": 8}
    text = {"vocab_size": len(vocabulary), "max_position_embeddings": 16, "eos_token_id": 17}
    config = CLIPConfig(
        text_config={**small, **text},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPProcessor(CLIPImageProcessor(**size), tokenizer).save_pretrained(folder)
    return folder


def by_hand(folder, prompt, frames):
    """The cosine between the embeddings that the model's own methods give, times 100."""
    model = CLIPModel.from_pretrained(folder).eval()
    processor = CLIPProcessor.from_pretrained(folder)
    inputs = processor(text=[prompt], images=list(frames), return_tensors="pt")
    with torch.inference_mode():
        vision = model.vision_model(pixel_values=inputs["pixel_values"]).pooler_output
        words = model.text_model(inputs["input_ids"], inputs["attention_mask"]).pooler_output
        seen, said = model.visual_projection(vision), model.text_projection(words)
    cosine = torch.nn.functional.cosine_similarity(seen, said, dim=-1)
    return float((100 * cosine).clamp(min=0).mean())


@pytest.mark.parametrize("prompt", ["a bad cage", "fed"])
def test_the_score_is_the_cosine_of_picture_and_prompt_as_a_mean_over_frames(clip, prompt):
    found = ClipScore(clip).score(prompt, FRAMES)
    assert found == pytest.approx(by_hand(clip, prompt, FRAMES), abs=1e-3)


def test_a_prompt_that_is_too_long_is_cut_as_clip_does(clip):
    score = ClipScore(clip)
    assert score.score("a " * 99, FRAMES) == pytest.approx(score.score("a " * 14, FRAMES))
