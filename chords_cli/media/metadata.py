"""What a file says about how it was made.

The text chunk `chords` holds a JSON document from which the same picture can be made again;
`Description` and `parameters` say the same to people and to the galleries that read them. What
the document means is not known here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError

KEY = "chords"


def file_texts(document: Mapping[str, Any]) -> dict[str, str]:
    """The text chunks of a picture that was made as `document` says."""
    return {
        KEY: json.dumps(document, sort_keys=True),
        "Description": document["prompt"],
        "parameters": _parameters(document),
        "Software": f"chords {document['version']}",
    }


def read_metadata(path: Path) -> dict[str, Any]:
    """The document in a picture.

    Raises:
        UsageError: The file is missing, is not a picture, or holds no such document.
    """
    if not path.is_file():
        raise UsageError(f"metadata file {path} does not exist", "name a PNG that chords made")
    document = _parse(_picture_info(path).get(KEY))
    if document is None:
        raise UsageError(
            f"{path} holds no chords metadata",
            "name a PNG that chords made without --no-metadata",
        )
    return document


def find_metadata(path: Path) -> dict[str, Any] | None:
    """The document in a picture or a latent's file; None where there is none to be found."""
    try:
        return read_metadata(path) if path.suffix == ".png" else _latent_document(path)
    except (UsageError, ValueError, OSError):
        return None


def _picture_info(path: Path) -> dict[Any, Any]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return dict(picture.info)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path} is not a picture", "name a PNG that chords made") from error


def _latent_document(path: Path) -> dict[str, Any] | None:
    from chords_cli.media.latents import read_header

    return _parse(read_header(path).get("__metadata__", {}).get(KEY))


def _parse(text: Any) -> dict[str, Any] | None:
    if not isinstance(text, str):
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _parameters(document: Mapping[str, Any]) -> str:
    """Prompt, negative prompt, then one line of settings, as galleries expect them."""
    call = document["call"]
    negative = call.get("negative_prompt")
    settings = {
        "Steps": document["steps"],
        "Sampler": document["algo"],
        "CFG scale": call.get("true_cfg_scale", call.get("guidance_scale")),
        "Seed": document["seed"],
        "Size": f"{call['width']}x{call['height']}" if {"width", "height"} <= set(call) else None,
        "Model": document["preset"],
        "Cores": document["cores"],
        "Starts": "-".join(map(str, document["init_t"])),
        "Output": document["output"]["index"],
        "Version": f"chords {document['version']}",
    }
    lines = [document["prompt"], *([f"Negative prompt: {negative}"] if negative else [])]
    said = (f"{name}: {value}" for name, value in settings.items() if value is not None)
    return "\n".join([*lines, ", ".join(said)])
