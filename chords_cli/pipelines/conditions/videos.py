"""Reads videos with the ffmpeg that comes with imageio-ffmpeg.

Every frame that is stored is read once, turned as it is shown. What would be read as if nothing
were wrong is found: ffmpeg goes on after damaged frames, and repeats or drops frames where a video
has no even rate.
"""

import itertools
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image

from chords_cli.errors import UsageError
from chords_cli.tools import find_ffmpeg, run_tool, start_tool

MOST_FRAMES = 10_000
"""How many frames of a file are read."""

MOST_PIXELS = 178_956_970
"""How many pixels a frame may have: as many as Pillow reads of a picture."""

_READ = [
    *("-max_pixels", str(MOST_PIXELS)),
    *("-nostdin", "-v", "error", "-protocol_whitelist", "file"),
    *("-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf"),
]
"""Formats that only hold videos: others, such as playlists, name further files and addresses."""

_EACH = ["-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "demux"]
"""The first video, without the picture of an album, frame by frame at its own time."""

_AGAIN = "convert it: ffmpeg -i FILE -fps_mode cfr new.mp4"


@dataclass(frozen=True, slots=True)
class Frames:
    """What a file's frames are.

    Attributes:
        size: Width and height.
        times: When each frame begins, in seconds; empty if the file does not say.
        count: How many there are.
    """

    size: tuple[int, int]
    times: tuple[float, ...]
    count: int


def survey_video(data: bytes) -> Frames:
    """Decodes a complete video and tells what its frames are.

    Raises:
        UsageError: It cannot be decoded, or not whole; the message goes on after the file's name.
    """
    with _stored(data) as path:
        line = [*_input(path), *_EACH, "-frames:v", str(MOST_FRAMES + 1), "-f", "framecrc", "-"]
        finished = run_tool(line, stdin=subprocess.DEVNULL)
    said = finished.stderr.decode(errors="replace")
    table = finished.stdout.decode(errors="replace")
    if "matches no streams" in said:
        raise UsageError("holds no pictures", "name a video that plays")
    if said.strip() or finished.returncode:
        first = re.sub(r"^\[[^]]*\] ", "", said.strip().partition("\n")[0]).rstrip(".")
        raise UsageError(
            f"is damaged ({first[:120] or 'ffmpeg says no reason'})",
            f"save or download it again, or {_AGAIN}",
        )
    tick = re.search(r"^#tb 0: (\d+)/(\d+)", table, re.MULTILINE)
    size = re.search(r"^#dimensions 0: (\d+)x(\d+)", table, re.MULTILINE)
    begins = [int(row.split(",")[2]) for row in table.splitlines() if not row.startswith("#")]
    if not (tick and size and begins):
        raise UsageError("holds no frames", "name a video that plays")
    second = int(tick[1]) / int(tick[2])
    times = tuple((begin - begins[0]) * second for begin in begins)
    return Frames((int(size[1]), int(size[2])), times, len(begins))


def read_video(data: bytes) -> Iterator[Image.Image]:
    """Yields a video's frames in RGB."""
    with _stored(data) as path:
        line = [*_input(path), *_EACH, "-f", "image2pipe", "-c:v", "ppm"]
        line += ["-pix_fmt", "rgb24", "-"]  # eight bits, also of videos that have ten
        with start_tool(line) as ffmpeg:
            assert ffmpeg.stdout is not None, "it is a pipe"
            try:
                while ffmpeg.stdout.readline():  # P6
                    width, height = map(int, ffmpeg.stdout.readline().split())
                    ffmpeg.stdout.readline()  # 255
                    pixels = ffmpeg.stdout.read(width * height * 3)
                    yield Image.frombytes("RGB", (width, height), pixels)
            finally:
                ffmpeg.kill()


def pace(times: tuple[float, ...]) -> float | None:
    """Returns the frames a second; None for a single frame or a file that does not say.

    Raises:
        UsageError: The frames are so uneven that one is shown a whole frame too early or too late
            where all last equally long; the message goes on after the file's name.
    """
    if len(times) < 2 or times[-1] <= 0:
        return None
    mean = times[-1] / (len(times) - 1)
    if any(abs(time - n * mean) >= mean for n, time in enumerate(times)):
        gaps = sorted(1000 * (after - before) for before, after in itertools.pairwise(times))
        usual = max(1, round(1000 / max(gaps[len(gaps) // 2], 1)))
        raise UsageError(
            f"has no even frame rate: its frames last {gaps[0]:.0f} to {gaps[-1]:.0f} ms",
            _AGAIN.replace("cfr", f"cfr -r {usual}"),
        )
    return 1 / mean


@contextmanager
def _stored(data: bytes) -> Iterator[str]:
    """Keeps bytes as a file for as long as ffmpeg reads it; what they are is told by them alone."""
    with tempfile.NamedTemporaryFile(prefix="chords-") as file:
        file.write(data)
        file.flush()
        yield file.name


def _input(path: str) -> list[str]:
    try:
        program = find_ffmpeg()
    except RuntimeError as error:
        raise UsageError("cannot be read without ffmpeg", "reinstall imageio-ffmpeg") from error
    return [program, *_READ, "-i", f"file:{path}"]
