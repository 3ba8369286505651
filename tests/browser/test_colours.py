"""The colours of a video as a browser plays it, beside the pixels that it was made of."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chords_cli.media.images import png_bytes
from chords_cli.media.videos import mp4_bytes
from chords_cli.ui.page.page import render
from tests.doubles.colours import COLOURS, SIZES, centres, patches
from tests.doubles.comparisons import made_up

if TYPE_CHECKING:
    from selenium import webdriver

COLOURS_OF = """
const [selector, points, done] = arguments;
const video = document.querySelector(selector);
function look() {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  done(points.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3)));
}
video.addEventListener("seeked", look, { once: true });
const seek = () => { video.currentTime = 0.1; };
video.readyState ? seek() : video.addEventListener("loadedmetadata", seek, { once: true });
"""

ALLOWED = (4, 4, 14)
"""In red, green and blue. Where no GPU helps it, Chromium keeps the factors of BT.709 in 8 bits,
which moves a saturated blue by up to 13; with one, no colour is more than 3 off."""


@pytest.mark.parametrize("size", SIZES)
def test_a_video_plays_in_the_colours_of_its_pixels(
    size: tuple[int, int], browser: "webdriver.Chrome", tmp_path: Path
) -> None:
    frames = patches(*size)
    record, files = made_up("video", "a cat")
    still, moving = png_bytes(frames[0], {}), mp4_bytes(frames, 16, {})
    files = {name: moving if name.endswith(".mp4") else still for name in files}
    path = tmp_path / "compare.html"
    path.write_text(render(record, files))
    browser.get(path.as_uri())
    found = browser.execute_async_script(COLOURS_OF, ".take video", centres(*size))
    assert (np.abs(np.array(found) - COLOURS).max(axis=0) <= ALLOWED).all(), found
