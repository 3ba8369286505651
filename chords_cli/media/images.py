"""Turns frames into PNG files."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def png_bytes(frame: "np.ndarray", texts: Mapping[str, str]) -> bytes:
    """Returns a PNG file of `frame` with `texts` in its text chunks, before the pixels.

    Equal frames and texts give equal bytes.

    Args:
        frame: uint8, [height, width, 3].
        texts: The texts by keyword; stored as tEXt, or as iTXt if Latin-1 cannot express them.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for keyword, text in texts.items():
        chunks.add_text(keyword, text)
    file = io.BytesIO()
    Image.fromarray(frame, "RGB").save(file, format="PNG", pnginfo=chunks)
    return file.getvalue()
