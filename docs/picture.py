"""Makes `chords.png` and `compare.png` anew: a real panel in a real terminal, real pictures.

    python docs/picture.py        # with tmux and chromium

The panel is what tmux shows when the result has landed and the slower cores still run; the pictures
are those of `chords compare`. Numbers below the pictures are from its `compare.json`.
"""

import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jinja2
from PIL import Image, ImageChops
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

DOCS = Path(__file__).parent
ARMS = ("sequential", "few-steps", "chords", "wavefront")
PROMPT = "a large red heart on a white background"
CHORDS = (sys.executable, "-m", "chords_cli")
COLUMNS, LINES = 92, 30

COLOURS = "3c4048 e05a5a 6ebe6e deb850 6096eb be78dc 50bec8 dee0e4"
THEME = TerminalTheme(
    (22, 24, 29), (222, 224, 228), [tuple(bytes.fromhex(colour)) for colour in COLOURS.split()]
)

PAGE = jinja2.Template(
    """<!doctype html><meta charset="utf-8"><style>
body {margin: 0; padding: 28px; width: 1064px; background: #fff; color: #222;
      font: 19px "DejaVu Sans", sans-serif}
.panel svg {width: 100%; display: block}
.arms {display: grid; grid-template-columns: repeat(4, 1fr); gap: 20px; margin-top: 26px}
.pair {display: grid; grid-template-columns: 1fr 1fr; gap: 4px; background: #000}
img {width: 100%; display: block; image-rendering: auto; outline: 1px solid #ddd}
b {display: block; margin: 10px 0 4px} small {font-size: 15px; color: #555; line-height: 1.45}
</style><div class="panel">{{ panel }}</div><div class="arms">
{% for arm in arms %}<div><div class="pair">
<img src="{{ arm.picture }}"><img src="{{ arm.difference }}"></div>
<b>{{ arm.name }}</b><small>{{ arm.text }}</small></div>{% endfor %}</div>"""
)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        panel = live_panel(folder)
        line = ("compare", PROMPT, "--cores", "4", "--output", "compared", "--quiet")
        subprocess.run([*CHORDS, *line], cwd=folder, check=True)
        compared = folder / "compared"
        shutil.copy(compared / "compare.png", DOCS / "compare.png")
        page = folder / "page.html"
        page.write_text(PAGE.render(panel=panel, arms=arms(compared)))
        shot = ("--headless=new", "--no-sandbox", "--force-device-scale-factor=1.5")
        size = (f"--screenshot={DOCS / 'chords.png'}", "--window-size=1120,780")
        subprocess.run(["chromium", *shot, *size, str(page)], check=True, capture_output=True)
    with Image.open(DOCS / "chords.png") as picture:
        picture.convert("RGB").quantize(200).save(DOCS / "chords.png", optimize=True)


def live_panel(folder: Path) -> str:
    """The panel as SVG, drawn while the slower cores still run."""
    line = " ".join([*CHORDS, "image", f"'{PROMPT}'", "--cores 4 --all-cores"])
    _tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), "-c", str(folder), line)
    try:
        while "output 2" not in (shown := _tmux("capture-pane", "-e", "-p")):
            time.sleep(0.05)
    finally:
        _tmux("kill-server")
    while not shown.startswith("4 cores"):  # what stood there before the panel
        shown = shown[shown.index("\n") + 1 :]
    console = Console(record=True, width=COLUMNS, file=(folder / "panel").open("w"))
    console.print(Text.from_ansi(shown.strip("\n")))
    return console.export_svg(title=f'chords image "{PROMPT}" --cores 4 --all-cores', theme=THEME)


def arms(compared: Path) -> list[dict[str, str]]:
    """Every arm's picture, its difference to the first, and what is known of it."""
    record = json.loads((compared / "compare.json").read_text())
    (sample,) = record["takes"]
    first = Image.open(compared / sample["results"][0]["picture"]).convert("RGB")
    gain = sample["difference_gain"]
    shown: list[dict[str, str]] = []
    for result in (result for result in sample["results"] if result["arm"] in ARMS):
        picture = Image.open(compared / result["picture"]).convert("RGB")
        apart = ImageChops.difference(picture, first)
        apart = Image.eval(apart, lambda value: min(255, value * gain))
        rounds, distance = result["rounds"], result["quality"]["latent_rmse"]
        text = f"{rounds} rounds, latent RMSE {distance:.4f}; difference x{gain}"
        shown.append(
            {
                "name": result["arm"],
                "text": text if shown else f"{rounds} rounds: what diffusers makes",
                "picture": _data(picture, compared),
                "difference": _data(apart, compared),
            }
        )
    return shown


def _data(picture: Image.Image, folder: Path) -> str:
    picture.resize((256, 256), Image.Resampling.LANCZOS).save(folder / "shown.png")
    return f"data:image/png;base64,{base64.b64encode((folder / 'shown.png').read_bytes()).decode()}"


def _tmux(*words: str) -> str:
    line = ["tmux", "-L", "chords-picture", "-f", "/dev/null", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
