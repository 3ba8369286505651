"""What every core did when, from the events of one sample.

A core's step is one `CoreStepped`: it computes from the end of the step before, then waits for
the slower core's latent where that is late. All times are seconds since the sample began.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from chords_cli.events import CoreDecoding, CoreEncoded, CoreStepped, Event, OutputLanded
from chords_cli.sampler.plan import Plan

_DIGITS = 5
_LEAST_WAIT = 1e-4
"""Seconds below which a core has not really waited."""

Span = dict[str, Any]


def timeline(
    events: Iterable[Event],
    plan: Plan,
    devices: Sequence[str],
    *,
    began: float,
    decoded: float,
    chosen: int,
) -> dict[str, Any]:
    """One sample as a document.

    Args:
        events: Of this sample alone.
        plan: What was run.
        devices: One a core.
        began: When the sample began, on the events' clock.
        decoded: When its picture was there.
        chosen: Which output became the picture.
    """
    heard = sorted(events, key=lambda event: event.at)
    cores = [
        {"core": core, "device": device, "spans": _spans(heard, core, began, decoded)}
        for core, device in enumerate(devices)
    ]
    return {
        "seconds": _rounded(decoded - began),
        "cores": cores,
        "messages": _messages(heard, plan, began),
        "outputs": [
            {
                "index": event.index,
                "core": event.core,
                "round": event.round,
                "at": _rounded(event.seconds),
                "chosen": event.index == chosen,
            }
            for event in heard
            if isinstance(event, OutputLanded)
        ],
    }


def _spans(events: Sequence[Event], core: int, began: float, decoded: float) -> list[Span]:
    """What a core did, in order; it is idle in between."""
    spans: list[Span] = []
    now = began
    for event in events:
        match event:
            case CoreEncoded(core=own) if own == core:
                what = "encode" if core == 0 else "wait"
                spans.append(_span(what, event.at - event.seconds - began, event.at - began))
                now = event.at
            case CoreStepped(core=own) if own == core:
                spans += _step(event, now - began, began)
                now = event.at
            case CoreDecoding(core=own) if own == core:
                spans.append(_span("decode", event.at - began, decoded - began))
                now = decoded
    return [span for span in spans if span["stop"] > span["start"]]


def _step(event: CoreStepped, start: float, began: float) -> list[Span]:
    stop = event.at - began
    waited = min(event.waited, stop - start) if event.waited > _LEAST_WAIT else 0.0
    facts = {"round": event.round, "from": event.step, "to": event.stop}
    spans = [_span("compute", start, stop - waited) | facts]
    return [*spans, _span("wait", stop - waited, stop) | facts] if waited else spans


def _messages(events: Sequence[Event], plan: Plan, began: float) -> list[dict[str, Any]]:
    """Every latent that travelled: it leaves by the end of its sender's step."""
    steps = {(e.core, e.round): e for e in events if isinstance(e, CoreStepped)}
    found = []
    for message in plan.messages:
        sender = steps.get((message.core - 1, message.round))
        receiver = steps.get((message.core, message.round))
        if sender and receiver:
            sent = min(sender.at, receiver.at)
            found.append(
                {
                    "round": message.round,
                    "from": message.core - 1,
                    "to": message.core,
                    "sent": _rounded(sent - began),
                    "received": _rounded(receiver.at - began),
                    "correction": receiver.correction,
                }
            )
    return found


def _span(what: str, start: float, stop: float) -> Span:
    return {"what": what, "start": _rounded(max(0.0, start)), "stop": _rounded(stop)}


def _rounded(seconds: float) -> float:
    return round(seconds, _DIGITS)
