"""The record of a comparison, as `compare.json` and `--json` have it."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from chords_cli.records.recipe import Call, Document, Lora, Output, Record, StopRecord
from chords_cli.records.run import PlanRecord, SampleSeconds, StartMethod

SCHEMA: Final = 1
"""Of `compare.json`."""


class Spread(Record):
    """Median, least and most of several runs' seconds."""

    median: float
    min: float
    max: float


class Spreads(Record):
    """What the seconds of several runs are split into."""

    encode: Spread
    sample: Spread
    decode: Spread
    total: Spread


class Speedup(Record):
    """How much sooner than the reference; None where that is unknown.

    Attributes:
        measured: Of sampling.
        ideal: Of sampling, from rounds alone.
        ratio: The measured one over the ideal one.
        total: Of the whole wait for a picture.
    """

    measured: float | None
    ideal: float | None
    ratio: float | None
    total: float | None


class Quality(Record):
    """How far a result is from the reference's; None where that is unknown.

    Attributes:
        latent_rmse: In latent units; None for latents of another shape.
        latent_rmse_relative: Relative to the reference's own size.
        psnr: In dB; None for equal pixels.
        clip_score: Only where it was asked for.
    """

    latent_rmse: float | None
    latent_rmse_relative: float | None
    psnr: float | None
    ssim: float | None
    same_latent: bool
    same_pixels: bool
    clip_score: float | None = None


class Measure(Record):
    """Mean and worst case of a measure over all samples."""

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
    """The most memory that a core took in any run, in bytes; None on its device if the host."""

    core: int
    device: str
    device_bytes: int | None
    host_bytes: int

    @property
    def bytes(self) -> int:
        """What it took on its device, which may be the host."""
        return self.device_bytes or self.host_bytes


What = Literal["encode", "compute", "wait", "decode"]


class SpanRecord(Record):
    """What a core did for a while; in a step's spans also which round and grid steps that was."""

    what: What
    start: float
    stop: float
    round: int | None = None
    step: int | None = Field(default=None, validation_alias="from", serialization_alias="from")
    until: int | None = Field(default=None, validation_alias="to", serialization_alias="to")


class CoreTimeline(Record):
    """What a core did, in order; it was idle in between."""

    core: int
    device: str
    spans: tuple[SpanRecord, ...]


class MessageRecord(Record):
    """A latent that travelled from a core to the next, and how far it moved that core's."""

    round: int
    sender: int = Field(validation_alias="from", serialization_alias="from")
    receiver: int = Field(validation_alias="to", serialization_alias="to")
    sent: float
    received: float
    correction: float | None


class ArrivalRecord(Record):
    """An output when it arrived, and whether it is the result."""

    index: int
    core: int
    round: int
    at: float
    chosen: bool


class Timeline(Record):
    """One run of one sample; all times are seconds since it began."""

    seconds: float
    cores: tuple[CoreTimeline, ...]
    messages: tuple[MessageRecord, ...]
    outputs: tuple[ArrivalRecord, ...]


class ArmSettings(Record):
    """The settings of an arm that its record does not hold elsewhere."""

    loras: tuple[Lora, ...] | None
    device: str
    call: Call


class PlannedArmRecord(Record):
    """What an arm is, before it runs.

    Attributes:
        number: Its place in the list, from 1.
        model: What identifies it (`Preset.identity`).
        note: On its cores and devices, as the run told it.
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
        """Whether some of its cores share a device."""
        return len(set(self.devices)) < self.cores


class ArmRecord(PlannedArmRecord):
    """An arm and what it came to, over all samples.

    Attributes:
        rounds: The median.
        nfe_total: The median of the distinct evaluations of all cores.
        peak_memory: One record per core.
        timeline: Of a typical run of the first sample.
    """

    rounds: int | float
    nfe_total: int | float
    seconds: Spreads
    speedup: Speedup
    quality: QualitySummary
    peak_memory: tuple[PeakMemory, ...]
    timeline: Timeline


class ResultRecord(Record):
    """What an arm made of one sample, in one or more runs.

    Attributes:
        arm: Its name.
        output: Which output of its run the result is.
        runs: The seconds of each.
        same_bits: Whether all runs gave the same latent.
    """

    arm: str
    picture: str
    video: str | None
    latent: str
    output: Output
    rounds: int
    nfe_total: int
    seconds: Spreads
    runs: tuple[SampleSeconds, ...]
    same_bits: bool
    quality: Quality


class ComparedSample(Record):
    """What all arms made of one prompt with one seed.

    Attributes:
        number: From 1.
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
        license: Of the reference's weights.
        again: The command that makes the comparison again.
        reference: The name of the arm that the others are compared with.
        environment: Versions by name.
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
    environment: Mapping[str, str | None]


class CompareDryRun(CompareHead):
    """What a comparison would do, and the files that it would make."""

    dry_run: Literal[True]
    arms: tuple[PlannedArmRecord, ...]
    files: tuple[str, ...]


class CompareRecord(CompareHead):
    """A comparison.

    Attributes:
        loads: The names of the arms that shared a load of a model, for every load.
        shares_devices: Whether cores of any arm share a device.
        notes: What has to be known to read the numbers right.
        start_methods: One for every load.
    """

    arms: tuple[ArmRecord, ...]
    samples: tuple[ComparedSample, ...] = Field(
        validation_alias="takes", serialization_alias="takes"
    )
    loads: tuple[tuple[str, ...], ...]
    shares_devices: bool
    notes: tuple[str, ...]
    start_methods: tuple[StartMethod, ...]
    seconds: float
