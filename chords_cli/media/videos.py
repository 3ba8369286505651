"""Turns frames into MP4 and GIF files, and reads the tags of an MP4.

ffmpeg comes with imageio-ffmpeg. Videos are H.264 in yuv420p, which every player shows; the tag
`chords` holds the same document as a picture's text chunk, beside the usual title and comment.
"""

import functools
import io
import re
import subprocess
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.errors import ChordsError, UsageError
from chords_cli.tools import find_ffmpeg, run_tool

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

_OURS = ["-f", "mov", "-protocol_whitelist", "file"]
"""How a video of ours is read, and nothing else: playlists name further files and addresses."""

_ANSWER_SECONDS = 20.0
"""How long ffmpeg may take to say what it is."""

_REINSTALL = "reinstall imageio-ffmpeg, which brings one, or correct IMAGEIO_FFMPEG_EXE"


def mp4_bytes(
    frames: "np.ndarray", rate: int, texts: Mapping[str, str], *, within: Path | None = None
) -> bytes:
    """Returns an MP4 file of `frames` with `texts` as tags.

    Args:
        frames: uint8, [frames, height, width, 3]; height and width are even.
        rate: Frames per second.
        texts: The texts by the name of their tag.
        within: The folder for what is encoded meanwhile; by default the system's temporary one.

    Raises:
        ChordsError: ffmpeg failed.
    """
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(rate), "-i", "-"]
    with tempfile.TemporaryDirectory(prefix="chords-", dir=within) as folder:
        path, tags = Path(folder) / "video.mp4", Path(folder) / "tags"
        lines = (f"{key}={_escaped(text)}\n" for key, text in texts.items())
        tags.write_text(f";FFMETADATA1\n{''.join(lines)}", encoding="utf-8")
        # a command line has no room for every prompt
        described = ("-f", "ffmetadata", "-i", str(tags), "-map", "0:v", "-map_metadata", "1")
        finished = _run_ffmpeg(
            *("-v", "error", *source, *described, *_ENCODING, *_REPEATABLE, *_TAGGED, str(path)),
            pixels=frames.tobytes(),
        )
        if finished.returncode:
            reason = " ".join(finished.stderr.decode(errors="replace").split())[:300]
            raise ChordsError(
                f"the video could not be encoded: {reason}",
                "reinstall imageio-ffmpeg, which brings the encoder",
            )
        return path.read_bytes()


@functools.cache
def check_encoder() -> None:
    """Tries what videos are encoded with, before anything slow starts.

    Raises:
        UsageError: ffmpeg is missing, cannot be run, or has no H.264 encoder.
    """
    if b"libx264" not in _asked("-encoders"):
        raise UsageError("the ffmpeg of this machine has no encoder libx264", _REINSTALL)


def encoder_version() -> str:
    """Returns the version of ffmpeg.

    Raises:
        UsageError: ffmpeg is missing or cannot be run.
    """
    found = re.match(rb"ffmpeg version (\S+)", _asked("-version"))
    return found[1].decode(errors="replace") if found else "of unknown version"


def _asked(question: str) -> bytes:
    """Returns what ffmpeg says of itself.

    Raises:
        UsageError: It is missing, cannot be run, or does not answer.
    """
    try:
        return _run_ffmpeg("-v", "quiet", question, seconds=_ANSWER_SECONDS).stdout
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"ffmpeg does not answer: {error.cmd[0]} ran for {error.timeout:g} s", _REINSTALL
        ) from error
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        place = getattr(error, "filename", None)
        raise UsageError(
            f"ffmpeg cannot be run{f' from {place}' if place else ''}: {reason}", _REINSTALL
        ) from error


def gif_bytes(frames: "np.ndarray", rate: int, comment: str = "") -> bytes:
    """Returns a GIF that loops; colours are reduced to the 256 that a GIF can have.

    It counts in hundredths of a second, so frames last alternately longer and shorter. None lasts
    less than two, which browsers take for ten: above 50 frames a second it is slower than `rate`.
    """
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in frames]
    ends = [round(100 * number / min(rate, 50)) for number in range(len(frames) + 1)]
    file = io.BytesIO()
    pictures[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[10 * (end - start) for start, end in pairwise(ends)],
        loop=0,
        comment=comment.encode(),
    )
    return file.getvalue()


def read_tags(path: Path) -> dict[str, str]:
    """Reads the tags of a video; empty if ffmpeg cannot read the file."""
    finished = _run_ffmpeg("-v", "quiet", *_OURS, "-i", f"file:{path}", "-f", "ffmetadata", "-")
    text = finished.stdout.decode(errors="replace")
    entries = re.findall(r"^((?:[^\\=\n]|\\.)+)=((?:[^\\\n]|\\.|\\\n)*)$", text, re.MULTILINE)
    return {_unescaped(key): _unescaped(value) for key, value in entries}


def _run_ffmpeg(
    *arguments: str, pixels: bytes = b"", seconds: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    return run_tool([find_ffmpeg(), *arguments], input=pixels, timeout=seconds)


def _escaped(text: str) -> str:
    """Writes a tag as ffmpeg's metadata files have it."""
    return re.sub(r"([=;#\\\n])", r"\\\1", text.replace("\0", ""))


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
