"""Draws a comparison as one page that opens from disk: pictures, a slider, numbers, a timeline.

The page contains everything and needs no network; all text is escaped, and its policy lets the
browser run its own script alone. What it says is in the record, how it looks is in `templates/`.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import PurePath

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chords_cli.records.compare import CompareRecord
from chords_cli.sampler.choice import DEFAULT_ALGO
from chords_cli.ui.format import duration, first_within, size
from chords_cli.ui.page.lanes import scale, swimlanes

_TYPES = {".mp4": "video/mp4"}
"""The media types of assets by their endings; all other assets are PNG pictures."""

_COLUMNS = (
    *("arm", "in a row", "devices", "NFE", "encode", "sample", "decode", "total"),
    *("measured", "ideal", "of ideal", "RMSE", "relative", "PSNR", "SSIM", "CLIP", "memory"),
)
"""The titles of the table of numbers; CLIP only where it was asked for."""


def render(record: CompareRecord, assets: Mapping[str, bytes]) -> str:
    """Draws the page of a comparison.

    Args:
        record: The comparison.
        assets: The files to show, by name; difference maps are `difference <sample> <arm>`.
    """
    environment = Environment(
        loader=PackageLoader("chords_cli.ui.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": duration,
        "size": size,
        "first_within": first_within,
        "times": lambda value: _number(value, ".2f", "×"),  # noqa: RUF001
        "decimals": lambda value, digits: _number(value, f".{digits}f"),
        "percent": lambda value: _number(value, ".0%"),
    }

    def asset(name: str) -> Markup:
        kind = _TYPES.get(PurePath(name).suffix, "image/png")
        return Markup(f"data:{kind};base64,{base64.b64encode(assets[name]).decode()}")

    script = environment.get_template("compare.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shown = {result.picture for sample in record.samples for result in sample.results}
    arms = record.arms
    clip = arms[0].quality.clip_score is not None
    return environment.get_template("compare.html").render(
        record=record,
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        samples=[sample for sample in record.samples if sample.results[0].picture in assets],
        left_out=len([name for name in shown if name not in assets]) // len(arms),
        opens_on=_most_telling(record),
        asset=asset,
        columns=[name for name in _COLUMNS if name != "CLIP" or clip],
        lanes=[swimlanes(arm, arms) for arm in arms],
        ticks=scale(arms),
    )


def _most_telling(record: CompareRecord) -> str:
    """Returns the arm that the slider lays over the reference at first: the default algorithm's.

    That on several cores comes before that on one. Without the default algorithm it is the first
    arm that shares the work among cores, then the first of all.
    """
    others = [arm for arm in record.arms if arm.name != record.reference]
    first = min(
        others,
        key=lambda arm: (arm.algo != DEFAULT_ALGO, arm.algo == "sequential", arm.cores == 1),
    )
    return first.name


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"  # noqa: RUF001
