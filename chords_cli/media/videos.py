"""Frames of numbers to MP4 and GIF files, and what an MP4 says about how it was made.

ffmpeg comes with imageio-ffmpeg. Videos are H.264 in yuv420p, which every player shows; the tag
`chords` holds the same document as in pictures, beside the usual title and comment.
"""

import io
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.errors import ChordsError

if TYPE_CHECKING:
    import numpy as np

_ENCODING = ["-crf", "17", "-preset", "medium"]
"""Near-transparent H.264: about 45 dB on natural frames."""

_REPEATABLE = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1"]
"""Equal frames give equal bytes: no dates, no version strings, no dependence on timing."""


def mp4_bytes(frames: "np.ndarray", fps: int, texts: Mapping[str, str]) -> bytes:
    """An MP4 file of `frames` with `texts` as tags.

    Args:
        frames: uint8, [frames, height, width, 3]; height and width are even.
        fps: Frames a second.
        texts: By tag name.

    Raises:
        ChordsError: ffmpeg refused.
    """
    import imageio_ffmpeg

    tags = [part for key, text in texts.items() for part in ("-metadata", f"{key}={text}")]
    with tempfile.TemporaryDirectory(prefix="chords-") as folder:
        path = Path(folder) / "video.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path),
            size=(frames.shape[2], frames.shape[1]),
            fps=fps,
            codec="libx264",
            pix_fmt_in="rgb24",
            pix_fmt_out="yuv420p",
            quality=None,
            macro_block_size=2,
            output_params=[
                *_ENCODING,
                *_REPEATABLE,
                "-movflags",
                "+faststart+use_metadata_tags",
                *tags,
            ],
        )
        try:
            writer.send(None)
            for frame in frames:
                writer.send(frame.tobytes())
            writer.close()
            return path.read_bytes()
        except OSError as error:
            reason = " ".join(str(error).split())[-300:]
            raise ChordsError(
                f"the video could not be encoded: {reason}",
                "reinstall imageio-ffmpeg, which brings the encoder",
            ) from error


def gif_bytes(frames: "np.ndarray", fps: int) -> bytes:
    """A GIF that loops; colours are reduced to the 256 that a GIF has."""
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in frames]
    file = io.BytesIO()
    pictures[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
    )
    return file.getvalue()


def read_tags(path: Path) -> dict[str, str]:
    """The tags of a video; empty when ffmpeg cannot read the file."""
    import imageio_ffmpeg

    line = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", str(path), "-f", "ffmetadata"]
    told = subprocess.run([*line, "-"], capture_output=True, check=False).stdout.decode()
    entries = re.findall(r"^((?:[^\\=\n]|\\.)+)=((?:[^\\\n]|\\.|\\\n)*)$", told, re.MULTILINE)
    return {_unescaped(key): _unescaped(value) for key, value in entries}


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
