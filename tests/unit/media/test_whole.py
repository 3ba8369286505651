"""A file is whole or only its beginning, whatever its format."""

import os
from pathlib import Path

import numpy as np
import pytest

from chords_cli.engine.messages import Latent
from chords_cli.media.images import png_bytes
from chords_cli.media.latents import latent_bytes
from chords_cli.media.videos import gif_bytes, mp4_bytes
from chords_cli.media.whole import is_whole

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8)
LATENT = Latent(dtype="float32", shape=(1, 4), data=bytes(16))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", png_bytes(FRAMES[0], {})),
        ("a.mp4", mp4_bytes(FRAMES, 8, {"chords": "{}"})),
        ("a.gif", gif_bytes(FRAMES, 8)),
        ("a.safetensors", latent_bytes(LATENT, {})),
        ("a.json", b'{"prompt": "a fox"}'),
    ],
)
def test_the_beginning_of_a_file_is_not_whole(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    assert not is_whole(path)
    path.write_bytes(data)
    assert is_whole(path)
    for size in (0, 1, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        assert not is_whole(path), size


def test_what_is_no_file_is_not_read_and_a_header_may_say_anything(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").mkdir()
    header = b'{"latent": {"dtype": "F32", "shape": [1]}}'
    (tmp_path / "c.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert not any(map(is_whole, tmp_path.iterdir()))
    (tmp_path / "d.webp").write_bytes(b"of another program")
    assert is_whole(tmp_path / "d.webp")
