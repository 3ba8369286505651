"""Repositories shaped as the released ones are: tiny weights, and all that lies beside them."""

import json
import random
from pathlib import Path
from typing import Any

from tests.doubles import tiny
from tests.hub.content import LARGE, File, Repo

FLUX, WAN = "black-forest-labs/FLUX.1-tiny", "Wan-AI/Wan2.1-tiny"
PARTS = "somebody/parts"
"""Components for other models, one at its root and one in a folder, as control nets and image
encoders are released; and a file that stands alone."""

PARTS_NEEDS = {
    "config.json",
    "diffusion_pytorch_model.safetensors",
    "models/t5/config.json",
    "models/t5/model-00001-of-00002.safetensors",
    "models/t5/model-00002-of-00002.safetensors",
    "models/t5/model.safetensors.index.json",
}
"""What a run opens of them, as a VAE and a text encoder of FLUX."""

FLUX_NEEDS = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    "text_encoder_2/model-00001-of-00002.safetensors",
    "text_encoder_2/model-00002-of-00002.safetensors",
    "text_encoder_2/model.safetensors.index.json",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer_2/special_tokens_map.json",
    "tokenizer_2/tokenizer.json",
    "tokenizer_2/tokenizer_config.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
    "transformer/diffusion_pytorch_model-00002-of-00003.safetensors",
    "transformer/diffusion_pytorch_model-00003-of-00003.safetensors",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
}
"""What a run opens of FLUX.1-dev's repository."""

WAN_NEEDS = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model-00001-of-00002.safetensors",
    "text_encoder/model-00002-of-00002.safetensors",
    "text_encoder/model.safetensors.index.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model-00001-of-00002.safetensors",
    "transformer/diffusion_pytorch_model-00002-of-00002.safetensors",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
}
"""What a run opens of Wan2.1's repository."""

BESIDE = {
    FLUX: (
        *("README.md", "LICENSE.md", ".gitattributes", "dev_grid.jpg"),
        *("flux1-dev.safetensors", "ae.safetensors"),
        *("text_encoder/model.fp16.safetensors", "text_encoder/pytorch_model.bin"),
        *("text_encoder/flax_model.msgpack", "text_encoder/generation_config.json"),
        *("text_encoder_2/pytorch_model.bin.index.json", "tokenizer_2/spiece.model"),
        "text_encoder_2/pytorch_model-00001-of-00001.bin",
        "text_encoder_2/model.fp16-00001-of-00001.safetensors",
        "text_encoder_2/model.safetensors.index.fp16.json",
        "transformer/diffusion_pytorch_model-00001-of-00007.safetensors",
        "transformer/diffusion_pytorch_model.fp16.safetensors",
        *("transformer/model.onnx", "transformer/onnx/model.onnx_data", "vae/README.md"),
    ),
    WAN: (
        *("README.md", ".gitattributes", "assets/logo.png", "examples/i2v_input.JPG"),
        *("google/umt5-xxl/spiece.model", "google/umt5-xxl/tokenizer.json"),
        *("Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth", "tokenizer/spiece.model"),
        "vae/diffusion_pytorch_model.bin",
    ),
    PARTS: (
        *("README.md", "diffusion_pytorch_model.bin", "checkpoint-500/config.json"),
        *("checkpoint-500/diffusion_pytorch_model.safetensors", "models/other.safetensors"),
        *("models/t5/pytorch_model.bin", "models/t5/tf_model.h5"),
    ),
}
"""What else lies in these repositories, and nobody opens."""


def flux(folder: Path) -> Path:
    """Saves a tiny FLUX in the layout of FLUX.1-dev."""
    pipe: Any = tiny.BUILDERS["flux"]()
    pipe.save_pretrained(folder)
    _in_shards(pipe.text_encoder_2, folder / "text_encoder_2", "40KB")
    _in_shards(pipe.transformer, folder / "transformer", "150KB")
    _in_parts(folder / "tokenizer")
    return _released(folder, FLUX)


def wan(folder: Path) -> Path:
    """Saves a tiny Wan in the layout of Wan2.1's repositories."""
    pipe: Any = tiny.BUILDERS["wan"]()
    pipe.save_pretrained(folder)
    _in_shards(pipe.text_encoder, folder / "text_encoder", "40KB")
    _in_shards(pipe.transformer, folder / "transformer", "80KB")
    return _released(folder, WAN)


def parts(folder: Path) -> Path:
    """Saves a VAE and a text encoder of a tiny FLUX without a pipeline around them."""
    pipe: Any = tiny.BUILDERS["flux"]()
    for weight in (*pipe.vae.parameters(), *pipe.text_encoder_2.parameters()):
        weight.data.mul_(0.5)  # no file is the one of another repository
    pipe.vae.save_pretrained(folder)
    pipe.text_encoder_2.save_pretrained(folder / "models" / "t5", max_shard_size="40KB")
    return _released(folder, PARTS)


def inflated(repo: Repo, size: int) -> Repo:
    """The same repository with `size` bytes of noise in place of every file of weights."""
    noise = random.Random(0)
    files = {
        name: File(noise.randbytes(size)) if file.large else file
        for name, file in repo.files.items()
    }
    return Repo(files, gated=repo.gated)


def _in_shards(part: Any, folder: Path, size: str) -> None:
    for file in folder.glob("*.safetensors"):
        file.unlink()
    part.save_pretrained(folder, max_shard_size=size)


def _in_parts(folder: Path) -> None:
    """A tokenizer as it was saved before there was a tokenizer.json."""
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer.json").unlink()


def _released(folder: Path, name: str) -> Path:
    for tokenizer in folder.glob("tokenizer*"):
        special = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
        if not (tokenizer / "tokenizer.json").is_file():
            special = {"pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
        (tokenizer / "special_tokens_map.json").write_text(json.dumps(special))
    for number, path in enumerate(BESIDE[name]):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(random.Random(number).randbytes(LARGE + number))
    return folder
