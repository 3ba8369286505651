"""Answers what a comparison is for, from its numbers: what do several devices buy beyond one?"""

from collections.abc import Iterable

from chords_cli.records.compare import ArmRecord, CompareRecord

_AS_CLOSE = 1.05
"""The ratio of two distances up to which they count as the same."""


def answer(record: CompareRecord) -> str | None:
    """Returns the answer, in a sentence after the question; None if no two arms tell it.

    The fastest arm on several cores is compared with the closest one on one device that evaluates
    the model no more often in a row. On one core alone, the two closest arms are told.
    """
    (reference,) = (arm for arm in record.arms if arm.name == record.reference)
    faster = [arm for arm in record.arms if arm.evaluations < reference.evaluations]
    arms = [arm for arm in faster if None not in (arm.quality.latent_rmse.mean, arm.speedup.ideal)]
    several = [arm for arm in arms if len(arm.devices) > 1]
    alone = [arm for arm in arms if len(arm.devices) == 1]
    if not several:
        return _of_one_device(record, alone)
    shared = min(several, key=lambda arm: (arm.evaluations, _distance(arm)))
    rivals = [arm for arm in alone if arm.evaluations <= shared.evaluations]
    if not rivals:
        return None
    rival = min(rivals, key=_distance)
    inside = f" in {rival.evaluations:g}" if rival.evaluations < shared.evaluations else ""
    places = ", ".join(dict.fromkeys(shared.devices))
    mean = f", on average over {len(record.samples)} results" if len(record.samples) > 1 else ""
    took = (f"{arm.seconds.sample.median:.2f} s" for arm in (shared, rival))
    return (
        f"What do {len(shared.devices)} devices buy beyond one? In {_evaluations(shared, record)}, "
        f"{shared.name} comes within RMSE {_distance(shared):.4f} of {record.reference}, and the "
        f"closest of one device, {rival.name}{inside}, within {_distance(rival):.4f}: "
        f"{_closer(shared, rival)}{mean}. Sampling took {' and '.join(took)}"
        + (f", but {shared.cores} cores share {places}." if shared.shares_devices else ".")
    )


def _of_one_device(record: CompareRecord, arms: Iterable[ArmRecord]) -> str | None:
    ordered = sorted(arms, key=_distance)
    if len(ordered) < 2:
        return None
    best, other = ordered[:2]
    return (
        f"What can one device do with fewer evaluations? In {_evaluations(best, record)}, "
        f"{best.name} comes within RMSE {_distance(best):.4f} of {record.reference}, and "
        f"{other.name}, in {other.evaluations:g}, within {_distance(other):.4f}."
    )


def _distance(arm: ArmRecord) -> float:
    return arm.quality.latent_rmse.mean or 0.0


def _closer(shared: ArmRecord, rival: ArmRecord) -> str:
    """Says which of two arms is closer, and how many times."""
    near, far = sorted((shared, rival), key=_distance)
    if _distance(far) <= _AS_CLOSE * _distance(near):
        return "no closer"
    times = f"{_distance(far) / _distance(near):.1f} times closer" if _distance(near) else "closer"
    return times if near is shared else f"one device is {times}"


def _evaluations(arm: ArmRecord, record: CompareRecord) -> str:
    (reference,) = (one for one in record.arms if one.name == record.reference)
    return f"{arm.evaluations:g} evaluations in a row instead of {reference.evaluations:g}"
