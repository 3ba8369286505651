"""Works out what every core did when, from the events of one sample.

A core's step is one `CoreStepped`: the core computes from the end of the step before, then waits
for the slower core's latent if that is late. All times are seconds since the sample began.
"""

from collections.abc import Iterable, Iterator, Sequence

from chords_cli.events import CoreDecoding, CoreEncoded, CoreStepped, Event, OutputLanded
from chords_cli.records.timeline import (
    ArrivalRecord,
    CoreTimeline,
    MessageRecord,
    SpanRecord,
    Timeline,
    What,
)
from chords_cli.sampler.plan import Plan

_DIGITS = 5
_LEAST_WAIT = 1e-4
"""Shorter waits, in seconds, are not counted as waiting."""


def timeline(
    events: Iterable[Event],
    plan: Plan,
    devices: Sequence[str],
    *,
    began: float,
    decoded: float,
    chosen: int,
) -> Timeline:
    """Returns the timeline of one sample.

    Args:
        events: The events of this sample only.
        plan: The plan that was run.
        devices: One per core.
        began: When the sample began, on the events' clock.
        decoded: When its picture had arrived, on the same clock.
        chosen: The index of the output that became the picture.
    """
    in_order = sorted(events, key=lambda event: event.at)
    return Timeline(
        seconds=_rounded(decoded - began),
        cores=tuple(
            CoreTimeline(core=core, device=device, spans=_spans(in_order, core, began, decoded))
            for core, device in enumerate(devices)
        ),
        messages=tuple(_messages(in_order, plan, began)),
        outputs=tuple(
            ArrivalRecord(
                index=event.index,
                core=event.core,
                round=event.round,
                at=_rounded(event.seconds),
                chosen=event.index == chosen,
            )
            for event in in_order
            if isinstance(event, OutputLanded)
        ),
    )


def _spans(
    events: Sequence[Event], core: int, began: float, decoded: float
) -> tuple[SpanRecord, ...]:
    """Returns what a core did, in order; it was idle in between."""
    spans: list[SpanRecord] = []
    now = began
    for event in events:
        match event:
            case CoreEncoded(core=rank) if rank == core:
                what: What = "encode" if core == 0 else "wait"
                spans.append(_span(what, event.at - event.seconds - began, event.at - began))
                now = event.at
            case CoreStepped(core=rank) if rank == core:
                spans += _step_spans(event, now - began, began)
                now = event.at
            case CoreDecoding(core=rank) if rank == core:
                spans.append(_span("decode", event.at - began, decoded - began))
                now = decoded
    return tuple(span for span in spans if span.stop > span.start)


def _step_spans(event: CoreStepped, start: float, began: float) -> list[SpanRecord]:
    stop = event.at - began
    waited = min(event.waited, stop - start) if event.waited > _LEAST_WAIT else 0.0
    where = {"round": event.round, "step": event.step, "until": event.stop}
    spans = [_span("compute", start, stop - waited, **where)]
    return [*spans, _span("wait", stop - waited, stop, **where)] if waited else spans


def _span(what: What, start: float, stop: float, **where: int) -> SpanRecord:
    return SpanRecord(what=what, start=_rounded(max(0.0, start)), stop=_rounded(stop), **where)


def _messages(events: Sequence[Event], plan: Plan, began: float) -> Iterator[MessageRecord]:
    """Yields every latent that was sent; it leaves no later than its sender's step ends."""
    steps = {(e.core, e.round): e for e in events if isinstance(e, CoreStepped)}
    for message in plan.messages:
        sender = steps.get((message.core - 1, message.round))
        receiver = steps.get((message.core, message.round))
        if sender and receiver:
            yield MessageRecord(
                round=message.round,
                sender=message.core - 1,
                receiver=message.core,
                sent=_rounded(min(sender.at, receiver.at) - began),
                received=_rounded(receiver.at - began),
                correction=receiver.correction,
            )


def _rounded(seconds: float) -> float:
    return round(seconds, _DIGITS)
