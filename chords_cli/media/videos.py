"""Turns frames into MP4 and GIF files, and reads the tags of an MP4.

ffmpeg comes with imageio-ffmpeg. Videos are H.264 in yuv420p, which every player shows; the tag
`chords` holds the same document as a picture's text chunk, beside the usual title and comment.
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

_BT709 = "range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
"""How pixels become YUV, whatever the size: readers that are not told guess it from the height."""

_ENCODING = [
    *("-c:v", "libx264", "-crf", "17", "-preset", "medium", "-pix_fmt", "yuv420p"),
    *("-vf", f"scale=out_color_matrix=bt709:out_range=tv,setparams={_BT709}"),
    *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
    *("-color_range", "tv"),
]
"""Near-transparent H.264: about 45 dB on natural frames.

The frames themselves are told what they are, since a filter's word on its output wins over the
encoder's options, and left primaries and transfer unknown.
"""

_REPEATABLE = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1"]
"""Turns equal frames into equal bytes: no dates, no version strings, no dependence on timing."""

_TAGGED = ["-movflags", "+faststart+use_metadata_tags"]
"""Allows tags of any name, and puts all of them before the frames."""


def mp4_bytes(frames: "np.ndarray", fps: int, texts: Mapping[str, str]) -> bytes:
    """Returns an MP4 file of `frames` with `texts` as tags.

    Args:
        frames: uint8, [frames, height, width, 3]; height and width are even.
        fps: Frames per second.
        texts: The texts by the name of their tag.

    Raises:
        ChordsError: ffmpeg failed.
    """
    clean = {key: text.replace("\0", "") for key, text in texts.items()}
    tags = [part for key, text in clean.items() for part in ("-metadata", f"{key}={text}")]
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(fps), "-i", "-"]
    with tempfile.TemporaryDirectory(prefix="chords-") as folder:
        path = Path(folder) / "video.mp4"
        finished = _run_ffmpeg(
            *("-v", "error", *source, *_ENCODING, *_REPEATABLE, *_TAGGED, *tags, str(path)),
            pixels=frames.tobytes(),
        )
        if finished.returncode:
            reason = " ".join(finished.stderr.decode(errors="replace").split())[:300]
            raise ChordsError(
                f"the video could not be encoded: {reason}",
                "reinstall imageio-ffmpeg, which brings the encoder",
            )
        return path.read_bytes()


def gif_bytes(frames: "np.ndarray", fps: int, comment: str = "") -> bytes:
    """Returns a GIF that loops; colours are reduced to the 256 that a GIF can have."""
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
        comment=comment.encode(),
    )
    return file.getvalue()


def read_tags(path: Path) -> dict[str, str]:
    """Reads the tags of a video; empty if ffmpeg cannot read the file."""
    finished = _run_ffmpeg("-v", "quiet", "-i", str(path), "-f", "ffmetadata", "-")
    text = finished.stdout.decode(errors="replace")
    entries = re.findall(r"^((?:[^\\=\n]|\\.)+)=((?:[^\\\n]|\\.|\\\n)*)$", text, re.MULTILINE)
    return {_unescaped(key): _unescaped(value) for key, value in entries}


def _run_ffmpeg(*arguments: str, pixels: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    import imageio_ffmpeg

    line = [imageio_ffmpeg.get_ffmpeg_exe(), *arguments]
    return subprocess.run(line, input=pixels, capture_output=True, check=False)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
