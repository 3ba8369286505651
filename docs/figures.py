"""Draws `paths.svg` and `corrections.svg` of algorithm.md; a test compares them with what it draws.

    python docs/figures.py

The paths are those of real plans. The corrections are computed on a small equation with one number
for a latent, by the formulas of the page.
"""

import math
from collections.abc import Iterable
from pathlib import Path

from chords_cli.sampler.plan import Plan, chords_plan
from chords_cli.sampler.wavefront import wavefront_plan

DOCS = Path(__file__).parent
INK, PALE, LINE = "#1f2430", "#6b7280", "#d6d9e0"
CORES = ("#4b5563", "#2563eb", "#0d9488", "#ea580c")
"""The colours of the cores, the slowest first."""

STEPS = 50
LAST_ROUND = 24
Point = tuple[float, float]


class Panel:
    """A plot with its axes; what is drawn on it is given in their units."""

    def __init__(self, left: float, title: str, across: Point, up: Point) -> None:
        self.left, self.top, self.width, self.height = left, 58.0, 350.0, 250.0
        self.across, self.up = across, up
        self.parts = [_text(left, 34, title, size=15, weight="bold")]

    def at(self, point: Point) -> Point:
        """Returns where a point lies on the picture."""
        (first, last), (low, high) = self.across, self.up
        x = self.left + (point[0] - first) / (last - first) * self.width
        return x, self.top + self.height - (point[1] - low) / (high - low) * self.height

    def frame(self, across: str, up: str, ticks: Iterable[float], rows: Iterable[float]) -> None:
        """Draws axes, a name for each, and thin lines with numbers."""
        for row in rows:
            self.line([(self.across[0], row), (self.across[1], row)], LINE, 1)
            self.say((self.across[0], row), f"{row:g}", away=(-8, 4), anchor="end", colour=PALE)
        for tick in ticks:
            self.say((tick, self.up[0]), f"{tick:g}", away=(0, 18), anchor="middle", colour=PALE)
        middle = sum(self.across) / 2
        self.say((middle, self.up[0]), across, away=(0, 38), anchor="middle", colour=PALE)
        self.say((self.across[0], self.up[1]), up, away=(-2, -8), colour=PALE)

    def line(self, points: Iterable[Point], colour: str, width: float = 2, dash: str = "") -> None:
        """Draws a line through points."""
        path = " ".join("{:.1f},{:.1f}".format(*self.at(point)) for point in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        style = f'fill="none" stroke="{colour}" stroke-width="{width:g}"{dashed}'
        self.parts.append(f'<polyline points="{path}" {style}/>')

    def dot(self, point: Point, colour: str, radius: float = 3, *, hollow: bool = False) -> None:
        """Draws a dot, or a ring."""
        x, y = self.at(point)
        style = f'fill="{"#fff" if hollow else colour}" stroke="{colour}" stroke-width="1.5"'
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {style}/>')

    def say(
        self,
        point: Point,
        text: str,
        *,
        away: Point = (0, 0),
        anchor: str = "start",
        colour: str = INK,
    ) -> None:
        """Writes beside a point."""
        x, y = self.at(point)
        self.parts.append(_text(x + away[0], y + away[1], text, anchor=anchor, colour=colour))


def paths() -> str:
    """Draws which step each of four cores evaluates in which round, for both algorithms."""
    plans = (
        ("chords: 21 rounds", chords_plan(STEPS, (0, 8, 16, 32))),
        ("wavefront: 13 rounds", wavefront_plan(STEPS, 4, 13, 3.5)),
    )
    panels = [_paths(50 + 410 * place, *plan) for place, plan in enumerate(plans)]
    note = "filled: the core is corrected after this step · ring: it is not"
    return _svg(840, 392, panels, note)


def _paths(left: float, title: str, plan: Plan) -> Panel:
    panel = Panel(left, title, (0, LAST_ROUND), (0, STEPS))
    panel.frame("round", "grid step", range(0, LAST_ROUND + 1, 4), range(0, STEPS + 1, 10))
    for core in range(plan.cores):
        walk = [(round, step) for round, step in enumerate(plan.walks[core]) if round <= LAST_ROUND]
        arrives = len(plan.walks[core])
        if arrives <= LAST_ROUND:
            walk.append((arrives, STEPS))
        panel.line(walk, CORES[core], 1.5)
        corrected = plan.incoming(core)
        for round, step in walk:
            if step < STEPS:
                panel.dot((round, step), CORES[core], 3, hollow=round not in corrected)
        if arrives <= LAST_ROUND:
            panel.dot((arrives, STEPS), CORES[core], 5.5)
        round, step = walk[-1]
        name = f"core {core}: result" if core == plan.cores - 1 else f"core {core}"
        panel.say((round, step), name, away=(-4, -9), colour=CORES[core], anchor="end")
    return panel


def corrections() -> str:
    """Draws one correction of a core by the next slower one, for both algorithms."""
    panels = [_rectified(50), _carried(460)]
    note = "thick: every step · blue: the faster core · grey: the slower · orange: corrected"
    return _svg(840, 392, panels, note)


def _true(step: float) -> float:
    return 4.2 * math.sin(step / 5.2) * math.exp(-step / 22) + 0.16 * step


def _drift(value: float, step: float) -> float:
    """The equation: it leads along the true path, and others slowly towards it."""
    slope = (_true(step + 1e-4) - _true(step - 1e-4)) / 2e-4
    return slope - 0.06 * (value - _true(step))


def _walk(value: float, start: int, stop: int) -> list[Point]:
    points: list[Point] = [(start, value)]
    for step in range(start, stop):
        value += _drift(value, step)
        points.append((step + 1, value))
    return points


def _rectified(left: float) -> Panel:
    """The paper's: x = fine - jump + jump', from the anchor to the next step."""
    anchor, now = 5, 12
    panel = _plot(left, "chords: by the difference of two jumps")
    start = _true(0) + anchor * _drift(_true(0), 0)
    own = _walk(start, anchor, now + 1)
    slower = _true(anchor)
    length = now + 1 - anchor
    before = start + length * _drift(start, anchor)
    after = slower + length * _drift(slower, anchor)
    moved = own[-1][1] - before + after
    panel.line([(0, _true(0)), (anchor, start)], CORES[1], 1.5, "6 4")
    panel.line(own, CORES[1], 2)
    panel.line([(anchor, start), (now + 1, before)], CORES[1], 1.5, "6 4")
    panel.line([(anchor, slower), (now + 1, after)], CORES[0], 1.5, "6 4")
    panel.line([(now + 1, own[-1][1]), (now + 1, moved)], CORES[3], 2.5)
    panel.dot((anchor, start), CORES[1], 4)
    panel.dot((anchor, slower), CORES[0], 4)
    panel.dot(own[-1], CORES[1], 4, hollow=True)
    panel.dot((now + 1, moved), CORES[3], 5)
    panel.say((anchor, start), "x_b", away=(-8, -8), anchor="end", colour=CORES[1])
    panel.say((anchor, slower), "x'_b", away=(4, 18), colour=CORES[0])
    panel.say((now + 1, before), "jump", away=(6, 4), colour=CORES[1])
    panel.say((now + 1, after), "jump'", away=(6, 4), colour=CORES[0])
    panel.say(own[-1], "fine", away=(8, -4), colour=CORES[1])
    panel.say((now + 1, moved), "x", away=(10, 6), colour=CORES[3])
    return panel


def _carried(left: float) -> Panel:
    """Ours: the slower core's newest latent, carried along by what is known of the drift."""
    behind, now, after = 5, 10, 13
    panel = _plot(left, "wavefront: from the newest latent on")
    old = _walk(_true(0) + 4 * _drift(_true(0), 0), 4, now)
    stood = old[-1][1]
    known = {behind - 1: _drift(_true(behind - 1), behind - 1), now: _drift(stood, now)}
    known |= {7: _drift(old[3][1], 7)}
    value, carried = _true(behind), [(float(behind), _true(behind))]
    for step in range(behind, after):
        value += _filled(known, step)
        carried.append((step + 1.0, value))
    alone = stood + (after - now) * known[now]
    panel.line(old, CORES[1], 1.5, "2 4")
    panel.line([(now, stood), (after, alone)], CORES[1], 1.5, "2 4")
    panel.line(carried, CORES[3], 2.5)
    panel.dot((7, old[3][1]), CORES[1], 4)
    panel.dot((now, stood), CORES[1], 4)
    panel.dot((behind, _true(behind)), CORES[0], 5)
    panel.dot(carried[-1], CORES[3], 5)
    panel.say((behind, _true(behind)), "x'", away=(2, 20), colour=CORES[0])
    panel.say((7, old[3][1]), "q", away=(0, -10), colour=CORES[1], anchor="middle")
    panel.say((now, stood), "q", away=(2, -10), colour=CORES[1], anchor="middle")
    panel.say((8.5, stood), "its earlier path", away=(0, -34), colour=CORES[1], anchor="middle")
    panel.say(carried[-1], "x", away=(9, 5), colour=CORES[3])
    return panel


def _filled(known: dict[int, float], step: float) -> float:
    """The drift at a step: on the line between the known ones, held beyond the last."""
    if step >= max(known):
        return known[max(known)]
    before = max(place for place in known if place <= step)
    after = min(place for place in known if place > step)
    part = (step - before) / (after - before)
    return (1 - part) * known[before] + part * known[after]


def _plot(left: float, title: str) -> Panel:
    panel = Panel(left, title, (0, 16), (0, 7.5))
    panel.frame("grid step", "latent", (0, 4, 8, 12, 16), ())
    panel.line([(0, 0), (16, 0)], LINE, 1)
    panel.line([(place / 4, _true(place / 4)) for place in range(65)], LINE, 6)
    return panel


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 13,
    anchor: str = "start",
    colour: str = INK,
    weight: str = "normal",
) -> str:
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'


def _svg(width: int, height: int, panels: Iterable[Panel], note: str) -> str:
    parts = [part for panel in panels for part in panel.parts]
    parts.append(_text(width / 2, height - 14, note, anchor="middle", colour=PALE))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    head += 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">'
    back = f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>'
    return "\n".join((head, back, *parts, "</svg>\n"))


FIGURES = {"paths.svg": paths, "corrections.svg": corrections}

if __name__ == "__main__":
    for name, draw in FIGURES.items():
        (DOCS / name).write_text(draw())
