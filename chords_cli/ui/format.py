"""Writes numbers, plans and devices, in the same way everywhere."""

import re
from collections.abc import Sequence

from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule


def plural(count: int, noun: str) -> str:
    """Returns `1 core`, `4 cores`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """Returns `0.84 s`, `12.3 s`, `4:05`, `1:02:03`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clock(seconds: float) -> str:
    """Returns `0:07`, `12:30`, `1:02:03`, for a time that is still running."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: int) -> str:
    """Returns `512 B`, `16.2 MB`, `23.8 GB`: powers of ten, as shops and hubs count."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def small(value: float) -> str:
    """Returns a distance of latents in about six characters: `0.0123`, `1.4e-05`."""
    return f"{value:.4f}" if value >= 0.001 or value == 0 else f"{value:.1e}"


def process_name(core: int, member: int) -> str:
    """Returns `core 2`, or `core 2's helper` for its second process; further ones have numbers."""
    number = f" {member}" if member > 1 else ""
    return f"core {core}'s helper{number}" if member else f"core {core}"


def members_of(guidance_split: bool, context: int) -> str:
    """Returns ` x 2 (guidance split) x 4 (context)`, as far as a core has several devices."""
    split = " x 2 (guidance split)" if guidance_split else ""
    return split + (f" x {context} (context)" if context > 1 else "")


def output_name(index: int) -> str:
    """Returns `preview` or `output 3`."""
    return f"output {index}" if index else "preview"


def residual(index: int, value: float | None, stop: StopRule) -> str:
    """Returns `differs by 0.0525 from output 3` for output 4; empty if it would say nothing.

    The preview is a guess from a few steps, so output 1 is neither better nor worse for being near
    it. Its distance is only shown if the stop rule uses it.
    """
    if value is None or (index < 2 and stop.fixed is not None):
        return ""
    return f"differs by {small(value)} from {'the ' * (index == 1)}{output_name(index - 1)}"


def first_within(value: float) -> str:
    """Describes the result of a stop rule that uses residuals."""
    return f"the first output that differs less than {value:g} from the one before it"


def starts(plan: Plan) -> str:
    """Returns `0-8-16-32`; empty if the algorithm has no starts."""
    return "-".join(map(str, plan.init_t)) if plan.init_t and plan.cores > 1 else ""


def headline(plan: Plan, members: int = 1, groups: int = 1) -> str:
    """Returns `chords 0-8-16-32 · 4 cores · 50 steps`.

    With two members each it is `4 cores x 2`, and with groups it begins with `2 at a time · `.
    """
    rounds = plan.planned_rounds
    how = starts(plan) if rounds is None else f"in {plural(rounds, 'round')}"
    name = f"{plan.algo} {how}".strip()
    split = f" x {members}" if members > 1 else ""
    many = f"{groups} at a time · " if groups > 1 else ""
    return f"{many}{name} · {plural(plan.cores, 'core')}{split} · {plural(plan.steps, 'step')}"


def promise(plan: Plan, stop: StopRule) -> str:
    """Says in one line which output to expect, and when."""
    if stop.fixed is None:
        assert stop.residual is not None
        return first_within(stop.residual)
    rounds = plan.rounds(stop.fixed)
    goal = f"output {stop.fixed} after {plural(rounds, 'round')}"
    if rounds < plan.steps:
        return f"{goal}: ideally {plan.speedup(stop.fixed):.2f}x sooner"
    return f"{goal}, one for each step" + (": no sooner than one core" if plan.cores > 1 else "")


def places(devices: Sequence[str]) -> str:
    """Returns `cpu`, `cuda:0, cuda:1` or, for more than four, `8 devices`; names each once."""
    distinct = list(dict.fromkeys(devices))
    return ", ".join(distinct) if len(distinct) <= 4 else plural(len(distinct), "device")


_LONGEST_LINE = 2_000
_PLAYS_TRICKS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
"""Characters that end a line, steer a terminal or turn around what is read."""


def one_line(text: str) -> str:
    """Returns a text of whatever origin such that it is one line that can be shown safely."""
    line = _PLAYS_TRICKS.sub(lambda found: repr(found[0])[1:-1], text)
    if len(line) <= _LONGEST_LINE:
        return line
    half = _LONGEST_LINE // 2
    return f"{line[:half]} ... {line[-half:]}"
