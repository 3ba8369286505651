"""What K separate GPUs would take, from what one was measured to take: predicted, not measured.

    sample = rounds * step  +  messages * own  +  chain
    total  = encode + sample + decode

`rounds` are the plan's until its first result, `step` is one core's. What of the messages lies in
the critical path: in every round core k waits for the latent of core k - 1, which is sent at the
end of that same round. In the first rounds it really waits, one hop; from then on it is one hop
behind, and the latent has been sent when it comes for it. So the hops of the chain delay the last
core once: `chain`, from core 0 to core K - 1. What every core pays in each of its rounds is its own
part: the copies between device and host, two additions, and the exchange's calls, a latent's way
among them, because gloo moves it when its receiver asks. That is `own`, measured where rounds
follow one another without a pause, on the busiest core, which receives and sends. `messages` is in
how many rounds the busiest core receives or sends.

Not in it: what several GPUs share (the host's memory, its cores, the power of the chassis), and the
prompt's way to the other cores, a few megabytes once. Encoding is that of tiny text encoders.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chords_cli.sampler import (
    Plan,
    chords_plan,
    default_init_t,
    default_rounds,
    sequential_plan,
    wavefront_plan,
)

NOTE = "predicted, not measured"
CORES = (2, 4, 8)
STEPS = (50, 28)
ALGORITHMS = ("chords", "wavefront")


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Seconds, measured on one device; `chain` and `own` by the number of cores.

    `guidance` is that of two model calls a step, from which the rounds follow; 1 without.
    """

    stock_step: float
    step: float
    encode: float
    decode: float
    chain: Mapping[int, float]
    own: Mapping[int, float]
    guidance: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """Seconds of one sample on `cores` separate GPUs, and of stock on one."""

    algo: str
    steps: int
    cores: int
    rounds: int
    messages: int
    sample: float
    total: float
    stock_total: float

    @property
    def speedup(self) -> float:
        return self.stock_total / self.total


def default_plan(algo: str, steps: int, cores: int, guidance: float = 1.0) -> Plan:
    """The plan that the command line makes when nothing is said of it."""
    if algo == "wavefront":
        return wavefront_plan(steps, cores, default_rounds(steps, cores, guidance), guidance)
    if algo == "chords":
        return chords_plan(steps, default_init_t(steps, cores))
    return sequential_plan(steps)


def busiest(plan: Plan) -> int:
    """In how many rounds until the first result the busiest core receives, or sends."""
    asked = plan.until(1)
    cores = range(asked.cores)
    return max(max(len(asked.incoming(core)), len(asked.outgoing(core))) for core in cores)


def predict(plan: Plan, costs: Costs) -> Prediction:
    """The formula, for one plan."""
    rounds, messages = plan.rounds(), busiest(plan)
    sample = rounds * costs.step + messages * costs.own[plan.cores] + costs.chain[plan.cores]
    around = costs.encode + costs.decode
    return Prediction(
        algo=plan.algo,
        steps=plan.steps,
        cores=plan.cores,
        rounds=rounds,
        messages=messages,
        sample=sample,
        total=sample + around,
        stock_total=plan.steps * costs.stock_step + around,
    )


def predictions(costs: Costs) -> Iterator[Prediction]:
    """Both algorithms at their default rounds, for as many cores as messages were measured."""
    for steps in STEPS:
        for algo in ALGORITHMS:
            for cores in CORES:
                if cores in costs.chain:
                    yield predict(default_plan(algo, steps, cores, costs.guidance), costs)


def costs_of(
    against_stock: Mapping[str, Any], chains: list[dict[str, Any]], guidance: float = 1.0
) -> Costs | None:
    """From a section's notes and the chains of this model's latents; None where one is missing."""
    stock, core = against_stock.get("stock") or {}, against_stock.get("core") or {}
    if "step" not in stock or "step" not in core or not chains:
        return None
    return Costs(
        stock_step=stock["step"],
        step=core["step"],
        encode=core["encode"],
        decode=core["decode"],
        chain={chain["cores"]: chain["median"] / 1e3 for chain in chains},
        own={chain["cores"]: chain["own"] / 1e3 for chain in chains},
        guidance=guidance,
    )


def document(costs: Costs) -> dict[str, Any]:
    """As it goes into the JSON."""
    rows = [asdict(one) | {"speedup": one.speedup} for one in predictions(costs)]
    return {"note": NOTE, "costs": asdict(costs), "rows": rows}
