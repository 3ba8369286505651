"""A comparison as one page that opens from disk: pictures, a slider, numbers, a timeline.

The page holds everything in itself and may ask no network for anything; all text is escaped. What
it says is in the record, how it looks is in `templates/`.
"""

import base64
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chords_cli.records.compare import CompareRecord, PeakMemory
from chords_cli.ui.format import duration, size, small
from chords_cli.ui.page.lanes import scale, swimlanes

_TYPES = {".png": "image/png", ".mp4": "video/mp4"}


def render(record: CompareRecord, assets: Mapping[str, bytes]) -> str:
    """Draws the page of a comparison.

    Args:
        record: What to show.
        assets: What it shows, by file name; `difference <sample> <arm>` for difference maps.
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
        "small": small,
        "times": _times,
        "decimals": _decimals,
        "percent": _percent,
        "peak": _peak,
    }
    shown = {result.picture for sample in record.samples for result in sample.results}
    arms = record.arms
    return environment.get_template("compare.html").render(
        record=record,
        samples=[sample for sample in record.samples if sample.results[0].picture in assets],
        left_out=len([name for name in shown if name not in assets]) // len(arms),
        asset=lambda name: _data_uri(name, assets[name]),
        lanes=[swimlanes(arm, arms) for arm in arms],
        ticks=scale(arms),
    )


def _data_uri(name: str, data: bytes) -> Markup:
    kind = next((kind for end, kind in _TYPES.items() if name.endswith(end)), "image/png")
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")


def _peak(memory: PeakMemory) -> int:
    """What a core took on its device, which may be the host."""
    return memory.device_bytes or memory.host_bytes


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"  # noqa: RUF001


def _decimals(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"  # noqa: RUF001
