"""The record of a run, as `run.json` and `--json` contain it: what was run and what came out."""

import json
from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, Field

from chords_cli.records.recipe import (
    Document,
    InputRecord,
    Output,
    Pixels,
    Record,
    StopRecord,
)


class PlanRecord(Record):
    """The plan in numbers, as far as the result; if a residual decides, as far as core 0's output.

    Attributes:
        init_t: Empty for algorithms that have no starts.
        planned_rounds: The rounds in which the fastest core should arrive.
        guidance: For which guidance it was planned, of two model calls a step.
        rounds: The rounds until the result.
        nfe_total: The distinct model evaluations of all cores until then.
        nfe_run: The model evaluations that are really run.
    """

    steps: int
    init_t: tuple[int, ...]
    planned_rounds: int | None = None
    guidance: float | None = None
    rounds: int
    speedup: float
    nfe_total: int
    nfe_run: int


class StartMethod(Record):
    """How the processes started; `reason` says why they were not forked, None if they were."""

    method: str
    reason: str | None


class SettingsRecord(Pixels):
    """Every resolved setting: these, and all other options of a run."""

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
    """An output and the names of its files in the folder; it has none if it was not kept.

    Attributes:
        seconds: From the job's start until it arrived; None if only the picture was found.
        path: The picture or video.
        extra: The other files of the output.
    """

    seconds: float | None = None
    path: str | None = None
    latent: str | None = None
    extra: tuple[str, ...] = ()


class SampleSeconds(Record):
    """The seconds of one sample, split into phases, and their total.

    Attributes:
        compile: How long torch compiled the model before, on the slowest core.
    """

    encode: float = 0.0
    compile: float = 0.0
    sample: float = 0.0
    decode: float = 0.0
    total: float = 0.0


class OwnRecord(Record):
    """The settings of a sample whose line in a prompt file has options of its own.

    Its attributes are those of `Pixels`.
    """

    inputs: tuple[InputRecord, ...] | None = None
    call: Document
    steps: int
    init_t: tuple[int, ...]
    planned_rounds: int | None = None

    @property
    def key(self) -> str:
        """What two samples have in common if these settings make the same pixels of both."""
        names = {"inputs": {"__all__": {"name"}}}
        return json.dumps(self.model_dump(mode="json", exclude=names), sort_keys=True)


class SampleRecord(Record):
    """One picture or video.

    Attributes:
        output: The name of its file in the folder.
        rounds: The rounds until its latent arrived.
        outputs: All outputs of its job.
        peak_memory: Per device that made it the bytes on it (None if that is the host) and on the
            host.
        warnings: What the user has to know about it, in sentences.
        within: What the distance of its latent to core 0's is estimated to be at most, RMSE.
        evaluated: How many evaluations of the model a step cache let it make; None without one.
        own: Its settings where these are not the run's, from a line of a prompt file.
        done: Whether it was made before; only a dry run sets this.
    """

    prompt: str
    seed: int
    output: str
    rounds: int | None = None
    outputs: tuple[OutputRecord, ...] = ()
    seconds: SampleSeconds = SampleSeconds()
    peak_memory: tuple[tuple[int | None, int], ...] = ()
    warnings: tuple[str, ...] = ()
    within: float | None = None
    evaluated: float | None = None
    own: OwnRecord | None = None
    done: bool = False


class RunSeconds(Record):
    """The seconds of a run: starting its processes, loading the model, and all of it."""

    start: float = 0.0
    load: float = 0.0
    total: float = 0.0


class RunRecord(Record):
    """A run.

    Attributes:
        note: What the run told the user before it started, a sentence a line.
        devices: Per core, or as many per core as share its work.
        groups: How many samples were made at a time, each by as many cores; `devices` has those of
            every group side by side.
        components: Per device of `devices` the names of the components that were loaded there.
        prompts: One record per sample, in order.
        warnings: The warnings of all samples, each once.
        environment: Versions by the name of the package.
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
    groups: int = 1
    note: str | None = None
    start_method: StartMethod | None = None
    dtype: str
    settings: SettingsRecord
    components: tuple[tuple[str, ...], ...] = ()
    prompts: tuple[SampleRecord, ...]
    warnings: tuple[str, ...] = ()
    seconds: RunSeconds = RunSeconds()
    environment: Mapping[str, str | None]


class CoreWeights(Record):
    """The bytes of the weights that a core holds, per component and in total."""

    core: int
    components: Mapping[str, int]
    bytes: int


class CoreMemory(CoreWeights):
    """The bytes of the weights that a core holds on its device; `member` where it has several."""

    device: str
    member: int = 0


class DeviceMemory(Record):
    """The cores on a device, the bytes of their weights (None if unknown), and its memory."""

    device: str
    cores: tuple[int, ...]
    bytes: int | None
    title: str
    total: int | None
    free: int | None


class MemoryRecord(Record):
    """The memory that weights take.

    Attributes:
        source: `files`, or `configuration` if the files are not on this machine.
        unknown: Why the memory is not known; None if it is.
    """

    cores: tuple[CoreMemory, ...]
    devices: tuple[DeviceMemory, ...]
    source: Literal["files", "configuration"]
    unknown: str | None


class SetUpRecord(Record):
    """How a model is set up once it is loaded.

    Attributes:
        compile: The arguments with which torch compiles the denoiser's blocks; None if it does not.
        attention: Diffusers' name of the way in which attention is computed.
        tiling: The components that work in tiles.
        slicing: The components that work on one picture of a batch at a time.
    """

    compile: Document | None
    attention: str
    tiling: tuple[str, ...]
    slicing: tuple[str, ...]


class DryRunRecord(RunRecord):
    """What a run would do: the record that it would begin with, its files and its memory.

    Attributes:
        set_up: How the model would be set up.
        missing: What of the model is not on this machine, and what to type; None if it is complete.
    """

    dry_run: Literal[True]
    set_up: SetUpRecord
    missing: str | None
    files: tuple[str, ...]
    memory: MemoryRecord
