"""The record of a comparison, as `compare.json` and `--json` contain it."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from chords_cli.records.recipe import (
    Call,
    Document,
    InputRecord,
    Lora,
    Output,
    Record,
    StopRecord,
)
from chords_cli.records.run import PlanRecord, SampleSeconds, StartMethod
from chords_cli.records.timeline import Timeline

SCHEMA: Final = 1
"""The version of the format of `compare.json`."""


class Spread(Record):
    """The median, minimum and maximum of several runs' seconds."""

    median: float
    min: float
    max: float


class Spreads(Record):
    """The seconds of several runs, split into phases, and their total."""

    encode: Spread
    sample: Spread
    decode: Spread
    total: Spread


class Speedup(Record):
    """How many times sooner than the reference an arm is; None if that is unknown.

    Attributes:
        measured: The speed-up of sampling.
        ideal: The speed-up of sampling that follows from rounds alone.
        ratio: `measured` over `ideal`.
        total: The speed-up of the complete wait for a picture.
    """

    measured: float | None
    ideal: float | None
    ratio: float | None
    total: float | None


class Quality(Record):
    """How far a result is from the reference's; None if that is unknown.

    Attributes:
        latent_rmse: In latent units; None for latents of another shape.
        latent_rmse_relative: `latent_rmse` over the root mean square of the reference's latent.
        psnr: In dB; None for equal pixels.
        clip_score: Set only if it was asked for.
    """

    latent_rmse: float | None
    latent_rmse_relative: float | None
    psnr: float | None
    ssim: float | None
    same_latent: bool
    same_pixels: bool
    clip_score: float | None = None


class Measure(Record):
    """The mean and the worst value of a measure over all samples."""

    mean: float | None
    worst: float | None


class QualitySummary(Record):
    """How far all results of an arm are from the reference's."""

    latent_rmse: Measure
    latent_rmse_relative: Measure
    psnr: Measure
    ssim: Measure
    clip_score: Measure | None = None
    same_latent: bool
    same_pixels: bool


class PeakMemory(Record):
    """The most bytes that a core took; `device_bytes` is None if its device is the host.

    `member` tells apart the processes of a core that has several.
    """

    core: int
    member: int = 0
    device: str
    device_bytes: int | None
    host_bytes: int

    @property
    def bytes(self) -> int:
        """The bytes on the core's device, which may be the host."""
        return self.device_bytes or self.host_bytes


class ArmSettings(Record):
    """Those settings of an arm that its record does not have elsewhere."""

    loras: tuple[Lora, ...] | None
    device: str
    call: Call
    guidance_split: bool = False
    context: int = 1


class PlannedArmRecord(Record):
    """What an arm is, before it runs.

    Attributes:
        number: Its place in the list, from 1.
        model: What identifies the model (`Preset.identity`).
        note: What the run told the user before it started, a sentence a line.
    """

    name: str
    number: int
    preset: str
    repo: str | None
    path: str | None
    revision: str | None
    model: Document
    algo: str
    cores: int
    devices: tuple[str, ...]
    note: str | None
    dtype: str
    plan: PlanRecord
    stop: StopRecord
    settings: ArmSettings

    @property
    def shares_devices(self) -> bool:
        """Whether some of the arm's processes share a device."""
        return len(set(self.devices)) < len(self.devices)


class ArmRecord(PlannedArmRecord):
    """An arm and its measurements over all samples.

    Attributes:
        rounds: The median number of rounds.
        evaluations: The median number of evaluations of the model in a row: rounds, or with a cache
            as many as its work amounts to.
        nfe_total: The median number of distinct evaluations of all cores.
        peak_memory: One record per core.
        timeline: The timeline of a typical run of the first sample.
    """

    rounds: int | float
    evaluations: int | float
    nfe_total: int | float
    seconds: Spreads
    speedup: Speedup
    quality: QualitySummary
    peak_memory: tuple[PeakMemory, ...]
    timeline: Timeline


class ResultRecord(Record):
    """An arm's result for one sample, from one or more runs.

    Attributes:
        arm: The arm's name.
        output: Which output of its run the result is.
        runs: The seconds of each run.
        same_bits: Whether all runs gave the same latent.
    """

    arm: str
    picture: str
    video: str | None
    latent: str
    output: Output
    rounds: int
    evaluations: int | float
    nfe_total: int
    seconds: Spreads
    runs: tuple[SampleSeconds, ...]
    same_bits: bool
    quality: Quality


class ComparedSample(Record):
    """The results of all arms for one prompt and one seed.

    Attributes:
        number: Its place in the list, from 1.
        difference_gain: The amplification of its difference maps.
    """

    number: int
    prompt: str
    seed: int
    difference_gain: int
    results: tuple[ResultRecord, ...]


class CompareHead(Record):
    """What a comparison is, before it runs.

    Attributes:
        license: The licence of the reference's weights.
        again: The command that makes the comparison again.
        reference: The name of the arm that the others are compared with.
        inputs: The files that all arms start from, in the order in which they are shown.
        environment: Versions by the name of the package.
        left_out: Says which of the usual arms the model does not take.
    """

    schema_: Literal[1] = Field(alias="schema")
    command: Literal["compare"]
    version: str
    kind: Literal["image", "video"]
    preset: str
    title: str
    license: str
    output: str
    again: str
    reference: str
    repeat: int
    fps: int | None
    inputs: tuple[InputRecord, ...] = ()
    environment: Mapping[str, str | None]
    left_out: tuple[str, ...] = ()


class CompareDryRun(CompareHead):
    """What a comparison would do, the files that it would make, and which models are missing."""

    dry_run: Literal[True]
    missing: tuple[str, ...]
    arms: tuple[PlannedArmRecord, ...]
    files: tuple[str, ...]


class CompareRecord(CompareHead):
    """A comparison.

    Attributes:
        answer: What several devices buy beyond one, if the arms tell it.
        loads: Per load of a model, the names of the arms that shared it; so are `start_methods`.
        notes: What one has to know to read the numbers correctly.
        warnings: The warnings of all runs; where only some arms have one, their names precede it.
    """

    arms: tuple[ArmRecord, ...]
    samples: tuple[ComparedSample, ...] = Field(
        validation_alias="takes", serialization_alias="takes"
    )
    loads: tuple[tuple[str, ...], ...]
    shares_devices: bool
    answer: str | None = None
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    start_methods: tuple[StartMethod, ...]
    seconds: float
