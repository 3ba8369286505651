"""The record of a run, as `run.json` and `--json` have it: what was run and what came out."""

from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, Field

from chords_cli.records.recipe import Output, Pixels, Record, StopRecord


class PlanRecord(Record):
    """The plan in numbers, up to the result; with a residual rule at the latest, core 0's.

    Attributes:
        init_t: Empty for algorithms that have none.
        planned_rounds: In which the fastest core was asked to arrive.
        rounds: Until the result.
        nfe_total: Distinct model evaluations of all cores until then.
        nfe_run: Those that are really run.
    """

    steps: int
    init_t: tuple[int, ...]
    planned_rounds: int | None = None
    rounds: int
    speedup: float
    nfe_total: int
    nfe_run: int


class StartMethod(Record):
    """How the processes started, and why they were not forked where they were not."""

    method: str
    reason: str | None


class SettingsRecord(Pixels):
    """Every resolved setting: these, and whatever other option a run has."""

    model_config = ConfigDict(extra="allow")

    prompts: tuple[str, ...] = ()
    seed: int
    num: int
    gif: bool
    output: str
    all_cores: bool
    save_latents: bool
    metadata: bool
    resume: bool
    overwrite: bool
    timeout: float


class OutputRecord(Output):
    """An output with its files, by their names in the folder; without any where it is not kept.

    Attributes:
        seconds: From the job's start until it arrived; None where only the picture was found.
        path: The picture or video.
        extra: What else stands beside it.
    """

    seconds: float | None = None
    path: str | None = None
    latent: str | None = None
    extra: tuple[str, ...] = ()


class SampleSeconds(Record):
    """What the seconds of one sample are split into, and their total."""

    encode: float = 0.0
    sample: float = 0.0
    decode: float = 0.0
    total: float = 0.0


class SampleRecord(Record):
    """One picture or video.

    Attributes:
        output: Its file's name in the folder.
        rounds: Until its latent arrived.
        outputs: Those of its job.
        peak_memory: Bytes per core: on its device (None where that is the host), on the host.
        done: Of a dry run alone: whether it was made before.
    """

    prompt: str
    seed: int
    output: str
    rounds: int | None = None
    outputs: tuple[OutputRecord, ...] = ()
    seconds: SampleSeconds = SampleSeconds()
    peak_memory: tuple[tuple[int | None, int], ...] = ()
    done: bool = False


class RunSeconds(Record):
    """The seconds of a run: until its processes had started, until they were loaded, in all."""

    start: float = 0.0
    load: float = 0.0
    total: float = 0.0


class RunRecord(Record):
    """A run.

    Attributes:
        note: On cores and devices, as the run told it.
        components: Per core the names of the components that it loaded.
        prompts: One record per sample, in order.
        environment: Versions by name.
    """

    schema_: Literal[1, 2] = Field(alias="schema")
    command: Literal["image", "video"]
    version: str
    preset: str
    repo: str | None
    path: str | None
    revision: str | None
    algo: str
    cores: int
    plan: PlanRecord
    stop: StopRecord
    devices: tuple[str, ...]
    note: str | None = None
    start_method: StartMethod | None = None
    dtype: str
    settings: SettingsRecord
    components: tuple[tuple[str, ...], ...] = ()
    prompts: tuple[SampleRecord, ...]
    seconds: RunSeconds = RunSeconds()
    environment: Mapping[str, str | None]


class CoreWeights(Record):
    """The bytes of the weights that a core holds, by component and in all."""

    core: int
    components: Mapping[str, int]
    bytes: int


class CoreMemory(CoreWeights):
    """The same on the core's device."""

    device: str


class DeviceMemory(Record):
    """The cores on a device, the bytes of their weights (None: unknown), and what it has."""

    device: str
    cores: tuple[int, ...]
    bytes: int | None
    title: str
    total: int | None
    free: int | None


class MemoryRecord(Record):
    """The memory that weights take.

    Attributes:
        source: `files`, or `configuration` where these are not on this machine.
        unknown: Why there is nothing to tell.
    """

    cores: tuple[CoreMemory, ...]
    devices: tuple[DeviceMemory, ...]
    source: Literal["files", "configuration"]
    unknown: str | None


class DryRunRecord(RunRecord):
    """What a run would do: the record that it would begin with, its files and its memory."""

    dry_run: Literal[True]
    files: tuple[str, ...]
    memory: MemoryRecord
