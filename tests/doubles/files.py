"""Files of pictures and videos, as bytes: good ones, and ones that are wrong in one way."""

import functools
import io
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from chords_cli.media.videos import mp4_bytes


def picture(width: int = 80, height: int = 60) -> Image.Image:
    """A picture in which no two parts look alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [columns * 255 // width, rows * 255 // height, (rows + columns) % 64 * 3]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def turned(format: str, orientation: int) -> bytes:
    """A picture whose camera was held in another way."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(), format, exif=exif)


def grey16(low: int = 0, high: int = 65535, format: str = "PNG") -> bytes:
    """Greys of 16 bits, from `low` on the left to `high` on the right."""
    values = np.linspace(low, high, 80).round().astype(np.uint16)
    return encoded(Image.fromarray(np.tile(values, (60, 1))), format)


def animation(format: str = "GIF", frames: int = 5, duration: object = 100) -> bytes:
    moved = [picture().rotate(90 * n) for n in range(frames)]
    return encoded(
        moved[0], format, save_all=True, append_images=moved[1:], duration=duration, loop=0
    )


@functools.cache
def video(frames: int = 9, width: int = 64, height: int = 48, fps: int = 8) -> bytes:
    """An MP4 in which a picture moves to the right."""
    still = np.asarray(picture(width, height))
    return mp4_bytes(np.stack([np.roll(still, 3 * n, axis=1) for n in range(frames)]), fps, {})


@functools.cache
def converted(data: bytes, *options: str, before: tuple[str, ...] = (), ending: str = "mp4"):
    """A video after ffmpeg has written it anew."""
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder) / "old", Path(folder) / f"new.{ending}"
        old.write_bytes(data)
        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
        line = [ffmpeg, "-v", "error", *before, "-i", str(old), *options, str(new)]
        subprocess.run(line, check=True, stdin=subprocess.DEVNULL)
        return new.read_bytes()


@functools.cache
def uneven_video() -> bytes:
    """A video that stands still for a second in the middle."""
    late = "setpts=PTS+gt(N\\,4)/TB"
    return converted(video(), "-vf", late, "-fps_mode", "vfr")


@functools.cache
def sound() -> bytes:
    line = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "sine=d=0.2"]
    line += ["-f", "matroska", "-"]
    return subprocess.run(line, check=True, capture_output=True).stdout


def damaged(data: bytes) -> bytes:
    """The same with some bytes in the middle changed."""
    middle = len(data) // 2
    other = bytes((7 * byte + 13) % 256 for byte in data[middle : middle + 300])
    return data[:middle] + other + data[middle + 300 :]


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]
