"""Where cores start by default: the published sequences, and a rule for all others.

The published sequences for T = 50 (four cores `0-8-16-32`, six `0-3-6-12-24-36`, eight
`0-2-4-8-16-24-32-40`) have one shape: from the fastest start down, starts fall evenly to one gap
above zero, then halve once or twice. The rule keeps that shape, moves the fastest start towards
the end as cores are added, and scales with T.
"""

from chords_cli.sampler.plan import check_size

_FASTEST = {1: 0.0, 2: 0.40, 3: 0.52, 4: 0.64, 5: 0.68, 6: 0.72, 7: 0.76}
"""The fastest core's start as a share of T; from eight cores on it is 1 - 1.6 / K."""


def default_init_t(steps: int, cores: int) -> tuple[int, ...]:
    """Returns the starts of `cores` cores on a grid of `steps` steps, slowest first.

    Args:
        steps: T >= 1.
        cores: K, from 1 to T.

    Raises:
        PlanError: K is below 1 or above T.
    """
    check_size(steps, cores)
    wanted = [round(share * steps) for share in _shares(cores)]
    return _strictly_increasing(wanted, steps)


def _shares(cores: int) -> list[float]:
    """Returns the starts as shares of T, slowest first: 0, the halved ones, the even ones."""
    if cores == 1:
        return [0.0]
    halved = min(2, (cores - 2) // 2)
    even = cores - 1 - halved
    gap = _FASTEST.get(cores, 1 - 1.6 / cores) / even
    return [
        0.0,
        *(gap / 2**n for n in range(halved, 0, -1)),
        *(gap * n for n in range(1, even + 1)),
    ]


def _strictly_increasing(wanted: list[int], steps: int) -> tuple[int, ...]:
    """Returns the nearest starts that leave room for all: s_{k-1} < s_k <= T - K + k."""
    starts = [0]
    for core, start in enumerate(wanted[1:], 1):
        starts.append(min(max(start, starts[-1] + 1), steps - len(wanted) + core))
    return tuple(starts)
