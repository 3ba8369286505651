"""Writes into files how they were made, and reads it back.

Every kind of file that a run writes holds a JSON document from which the same file can be made
again: a picture in the text chunk `chords`, a video in the tag of that name, a GIF in its comment,
a latent in its header; the JSON file beside a video consists of it. Further texts repeat it in the
form that people and galleries expect. Nothing here knows how a request is made from the document.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError, verbatim
from chords_cli.media.latents import read_header
from chords_cli.media.videos import read_tags
from chords_cli.presets.call import guidance_of
from chords_cli.presets.paths import read_at_most

KEY = "chords"

_KINDS = "PNG, MP4 or JSON file"

_MOST_BYTES = 10**7
"""How large a JSON file may be: a recipe has a few thousand bytes and its prompt."""

Document = dict[str, Any]
"""Everything that is needed to make a file again."""


def file_texts(document: Mapping[str, Any]) -> dict[str, str]:
    """Returns the text chunks of the picture that `document` describes."""
    return {
        KEY: json.dumps(document, sort_keys=True),
        "Description": document["prompt"],
        "parameters": _parameters(document),
        "Software": f"chords {document['version']}",
    }


def video_tags(document: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tags of the video that `document` describes."""
    return {
        KEY: json.dumps(document, sort_keys=True),
        "title": document["prompt"],
        "comment": _parameters(document),
    }


def sidecar_bytes(document: Mapping[str, Any]) -> bytes:
    """Returns the JSON file that lies beside a video and holds `document`."""
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()


def read_metadata(path: Path) -> Document:
    """Reads the document in a file.

    Raises:
        UsageError: The file is missing, cannot be read as a picture or video, or has no document.
    """
    if not path.is_file():
        raise UsageError(
            f"metadata file {verbatim(path)} does not exist", f"name a {_KINDS} that chords made"
        )
    try:
        document = _parse(_read_text(path))
    except (OSError, ValueError, SyntaxError, AttributeError) as error:
        raise UsageError(
            f"{verbatim(path)} is not a picture or video", f"name a {_KINDS} that chords made"
        ) from error
    if document is None:
        kinds = "latent" if path.suffix.lower() == ".safetensors" else _KINDS
        raise UsageError(
            f"{verbatim(path)} holds no chords metadata",
            f"name a {kinds} that chords made without {{metadata}}",
            {"metadata": False},
        )
    return document


def find_metadata(path: Path) -> Document | None:
    """Reads the document in a file; None if there is none."""
    try:
        return read_metadata(path)
    except UsageError:
        return None


def _read_text(path: Path) -> Any:
    """Reads the text of the document; a file with an unknown ending is read as a picture."""
    match path.suffix.lower():
        case ".mp4":
            return read_tags(path).get(KEY)
        case ".json":
            return read_at_most(path, _MOST_BYTES).decode()
        case ".safetensors":
            return read_header(path).get("__metadata__", {}).get(KEY)
    return _read_picture(path)


def _read_picture(path: Path) -> Any:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.info.get(KEY) or picture.info.get("comment")
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error


def _parse(text: Any) -> Document | None:
    if not isinstance(text, str | bytes):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _parameters(document: Mapping[str, Any]) -> str:
    """Writes prompt, negative prompt and one line of settings, as galleries expect them."""
    call = document["call"]
    made = {"frames": call.get("num_frames"), **call, **document["output"]}
    negative = call.get("negative_prompt")
    settings = {
        "Steps": call.get("num_inference_steps", document["steps"]),
        "Sampler": document["algo"],
        "CFG scale": guidance_of(call),
        "Denoising strength": call.get("strength"),
        "Seed": document["seed"],
        "Size": f"{made['width']}x{made['height']}" if {"width", "height"} <= set(made) else None,
        "Frames": made["frames"] if "num_frames" in call else None,
        "Model": document["preset"],
        "Cores": document["cores"],
        "Starts": "-".join(map(str, document["init_t"])) or None,
        "Rounds": document.get("planned_rounds"),
        "Output": document["output"]["index"],
        "Version": f"chords {document['version']}",
    }
    lines = [document["prompt"], *([f"Negative prompt: {negative}"] if negative else [])]
    known = (f"{name}: {value}" for name, value in settings.items() if value is not None)
    return "\n".join([*lines, ", ".join(known)])
