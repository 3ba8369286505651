"""Files that are given by others: what they name is not opened, and they have an end."""

import json
import os
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from chords_cli.errors import UsageError
from chords_cli.media.latents import read_header, read_latent
from chords_cli.media.metadata import read_metadata
from chords_cli.media.videos import mp4_bytes, read_tags
from chords_cli.pipelines.conditions.pictures import examine
from chords_cli.pipelines.conditions.videos import MOST_PIXELS, read_video, survey_video
from chords_cli.presets.files import read_yaml
from chords_cli.runs.settings.samples import read_text
from tests.waiting import HANG


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of ours with metadata, which playlists name."""
    file = tmp_path / "inner.mp4"
    file.write_bytes(mp4_bytes(np.zeros((2, 16, 16, 3), np.uint8), 8, {"chords": '{"a": 1}'}))
    return file


def playlists(video: Path) -> dict[str, str]:
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{video}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile {video.name}\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "metadata": ';FFMETADATA1\nchords={"a"\\: 1}\n',
    }


@pytest.mark.parametrize("kind", ["hls", "concat", "sdp", "metadata"])
def test_a_playlist_that_is_called_a_video_opens_no_other_file(kind, video):
    assert read_tags(video)["chords"] == '{"a": 1}'
    lure = video.with_name("lure.mp4")
    lure.write_text(playlists(video)[kind])
    assert read_tags(lure) == {}
    with pytest.raises(UsageError):
        read_metadata(lure)
    with pytest.raises(UsageError):
        survey_video(lure.read_bytes())
    with pytest.raises(UsageError):
        examine(lure.read_bytes())


def test_a_name_that_ffmpeg_would_take_for_an_address_is_that_of_a_file(video, monkeypatch):
    monkeypatch.chdir(video.parent)
    name = Path(f"concat:{video.name}|x.mp4")
    name.write_text("no video")
    assert read_tags(name) == {}


def test_frames_are_read_up_to_a_size(video, monkeypatch):
    from chords_cli.pipelines.conditions import videos

    assert MOST_PIXELS < 180_000_000
    data = video.read_bytes()
    assert survey_video(data).count == len(list(read_video(data))) == 2
    small = [*videos._READ]
    small[small.index(str(MOST_PIXELS))] = "100"
    monkeypatch.setattr(videos, "_READ", small)
    with pytest.raises(UsageError):
        survey_video(data)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says that it is large, and has few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        )

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path):
    with pytest.raises(UsageError, match="megapixels, but at most 179 are read"):
        examine(bomb(60_000, 60_000))
    (tmp_path / "bomb.png").write_bytes(bomb(60_000, 60_000))
    with pytest.raises(UsageError):
        read_metadata(tmp_path / "bomb.png")


def header(text: bytes, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text


HEADERS = {
    "longer than the file": header(b"{}", 1 << 60),
    "nested": header(b"[" * 100_000),
    "lists": header(b'{"a": [' + b"[]," * 9_000_000 + b"[]]}"),
    "no tensor": header(json.dumps({"a": 1}).encode()),
    "negative": header(b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}'),
    "backwards": header(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}'),
    "texts": header(json.dumps({"__metadata__": {"chords": {"a": 1}}}).encode()),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_of_safetensors_that_is_no_header_is_refused(kind, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(HEADERS[kind])
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_header(tmp_path / "x.safetensors")


@pytest.mark.parametrize(("end", "shape"), [(1 << 60, [1 << 58]), (4, [1 << 40]), (4, [2])])
def test_a_latent_that_says_that_it_is_large_is_refused(end, shape, tmp_path):
    tensor = {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
    (tmp_path / "x.safetensors").write_bytes(
        header(json.dumps({"latent": tensor}).encode()) + b"\0" * 4
    )
    with pytest.raises(ValueError, match=r"cut off|not that of its shape"):
        read_latent(tmp_path / "x.safetensors")


def test_a_prompt_file_without_an_end_is_refused():
    with pytest.raises(UsageError, match="prompt file /dev/zero has more than 100 MB"):
        read_text("/dev/zero")


def test_standard_input_without_an_end_is_refused(monkeypatch):
    with Path("/dev/zero").open("rb") as endless:
        monkeypatch.setattr(sys, "stdin", type("Stream", (), {"buffer": endless}))
        with pytest.raises(UsageError, match="standard input has more than 100 MB"):
            read_text("-")


def test_a_pipe_is_read_as_a_prompt_file_to_its_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("a cat\n",))
    writer.start()
    assert read_text(str(tmp_path / "pipe")) == "a cat\n"
    writer.join(HANG)


def test_a_preset_without_an_end_is_refused():
    with pytest.raises(UsageError, match="preset file /dev/zero has more than 1,000,000 bytes"):
        read_yaml(Path("/dev/zero"))


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [touch was-run]",
        "!!python/name:os.system",
        "a: !!python/module:antigravity",
    ],
)
def test_yaml_makes_no_objects(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(UsageError):
        read_yaml(tmp_path / "p.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


def test_aliases_in_a_preset_do_not_fill_the_memory(tmp_path, chords):
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join([*lines, "call: {x: *a11}", "prompts: *a11"]))
    done = chords("image", "x", "--model", str(tmp_path / "bomb.yaml"))
    assert done.code == 2
    assert "it holds more than 200,000 values" in done.err


def test_a_preset_in_a_pipe_is_not_cut(tmp_path):
    os.mkfifo(tmp_path / "p.yaml")
    writer = threading.Thread(target=(tmp_path / "p.yaml").write_text, args=("#" * 1_000_001,))
    writer.start()
    with pytest.raises(UsageError, match=r"p\.yaml has more than 1,000,000 bytes"):
        read_yaml(tmp_path / "p.yaml")
    writer.join(HANG)
