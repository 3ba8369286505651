"""Programs that are run know no secret."""

import os
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from chords_cli import tools
from chords_cli.engine.exchange import links
from chords_cli.media.videos import mp4_bytes, read_tags
from chords_cli.pipelines.conditions.videos import read_video, survey_video
from chords_cli.runs.doctor.devices import ask_driver
from chords_cli.tools import SECRET, TOKENS, find_ffmpeg

HIDDEN = "may-not-be-seen"


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the programs find in their environments, which are noted before the real one runs."""
    seen, real = tmp_path / "seen", imageio_ffmpeg.get_ffmpeg_exe()
    for name, then in (("ffmpeg", f'exec {real} "$@"'), ("nvidia-smi", "echo 1.2, A GPU")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {name} >> {seen}\nenv >> {seen}\n{then}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "ffmpeg"))
    for name in (SECRET, *TOKENS):
        monkeypatch.setenv(name, HIDDEN)
    return seen


def test_ffmpeg_and_the_drivers_tools_are_not_told_a_secret(noted, tmp_path):
    data = mp4_bytes(np.zeros((3, 64, 64, 3), np.uint8), 8, {"title": "x"})
    (tmp_path / "x.mp4").write_bytes(data)
    assert read_tags(tmp_path / "x.mp4")["title"] == "x"
    assert survey_video(data).count == len([*read_video(data)]) == 3
    assert ask_driver() is not None
    links._topology.cache_clear()
    assert links.links_between() == {}
    links._topology.cache_clear()
    lines = noted.read_text().splitlines()
    assert lines.count("ffmpeg") >= 4
    assert lines.count("nvidia-smi") == 2
    assert HIDDEN not in noted.read_text()
    assert os.environ[SECRET] == os.environ["HF_TOKEN"] == HIDDEN


def test_a_library_that_tries_ffmpeg_has_no_secret_either(noted, monkeypatch):
    monkeypatch.setattr(
        imageio_ffmpeg, "get_ffmpeg_exe", lambda: str({*tools._SECRETS} & {*os.environ})
    )
    assert find_ffmpeg() == "set()"
