"""Write a trained pipeline as a small diffusers folder: fp16 on disk, fp32 when loaded."""

import json
import logging
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

log = logging.getLogger("training")


def write_folder(pipe: DiffusionPipeline, folder: Path) -> int:
    """Save `pipe` to `folder` in fp16 and return the folder's size in bytes.

    transformers loads weights in the type that a config names, diffusers in fp32: the text
    encoders' configs therefore name fp32, and a plain `from_pretrained` gives one type throughout.
    """
    pipe.to(torch.float16)
    pipe.save_pretrained(folder)
    for path in folder.glob("*/config.json"):
        _clean(path)
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    size = folder_size(folder)
    log.info("%s: %.2f MB", folder, size / 1e6)
    return size


def folder_size(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _clean(path: Path) -> None:
    """Name fp32 as the type, and drop the paths of the machine that trained."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    if "dtype" in config:
        config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
