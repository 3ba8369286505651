"""Pictures and videos to start from, whatever their bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import made
from tests.fuzz.line import examples
from tests.fuzz.values import damaged

OPTIONS = ("--devices", "cpu", "--dry-run")
PICTURES = {
    "png": lambda: made.encoded("PNG"),
    "jpg": lambda: made.encoded("JPEG"),
    "webp": lambda: made.encoded("WEBP"),
    "tiff": lambda: made.encoded("TIFF"),
    "bmp": lambda: made.encoded("BMP"),
    "gif": lambda: made.gif("x"),
    "ppm": lambda: b"P6 2 2 255\n" + b"\0" * 12,
    "heic": lambda: b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + b"\0" * 40,
    "avif": lambda: b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + b"\0" * 40,
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
    "psd": lambda: b"8BPS\0\1" + b"\0" * 30,
    "fli": lambda: b"\0\0\0\0\x11\xaf" + b"\0" * 130,
    "exr": lambda: b"v/1\1" + b"\0" * 40,
    "webm": lambda: b"\x1aE\xdf\xa3" + b"\0" * 40,
    "avi": lambda: b"RIFF\0\0\0\0AVI LIST" + b"\0" * 40,
    "m3u8": lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "txt": lambda: b"hello",
}


@pytest.fixture(scope="module")
def mp4() -> bytes:
    return made.clip_with(title="x")


def ask(line, data: bytes, name: str = "in") -> None:
    (line.folder / name).write_bytes(data)
    line("image", "a fox", "--image", name, "0.5", *OPTIONS)


@pytest.mark.parametrize("ending", PICTURES)
@examples(2)
@given(data=st.data())
def test_damaged_pictures_are_used_or_refused(line, ending, data):
    ask(line, data.draw(damaged(PICTURES[ending]())))


@examples(2)
@given(data=st.data())
def test_damaged_videos_are_used_or_refused(line, mp4, data):
    ask(line, data.draw(damaged(mp4)))


@examples(2)
@given(image=damaged(made.encoded("PNG")), mask=damaged(made.encoded("PNG")))
def test_damaged_masks_are_used_or_refused(line, image, mask):
    (line.folder / "mask").write_bytes(mask)
    (line.folder / "in").write_bytes(image)
    line("image", "a fox", "--image", "in", "0.5", "--mask", "mask", *OPTIONS)


@examples(3)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(line, data):
    ask(line, data)


def huge_png(width: int, height: int) -> bytes:
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        sum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + sum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(2**31 - 1, 2**31 - 1), (100_000, 100_000), (0, 0), (2**31, 1)])
def test_a_picture_that_says_it_is_huge_is_refused(line, size):
    ask(line, huge_png(*size))


def test_a_huge_file_is_refused_before_it_is_read(line):
    with (line.folder / "huge.png").open("wb") as file:
        file.truncate(10**12)  # a hole: nothing of it is stored
    answer = line("image", "a fox", "--image", "huge.png", *OPTIONS)
    assert answer.code == 2
