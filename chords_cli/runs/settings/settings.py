"""The complete settings of a run, as `resolve` makes them and everything after it reads them."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from chords_cli.engine.hosts.places import as_seen_from
from chords_cli.pipelines.load.spec import Arguments, Dtype
from chords_cli.presets.schema import Preset
from chords_cli.runs.inputs.inputs import Input, in_call
from chords_cli.runs.settings.layouts.capacity import Demand
from chords_cli.runs.settings.layouts.layout import Layout, members_of
from chords_cli.runs.settings.options.run_options import RunOptions
from chords_cli.runs.settings.samples import PlannedSample, planned_samples
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """What one line of a prompt file has of its own.

    Attributes:
        seed: Of its first sample; None for the run's.
        call: The arguments of the pipeline's call, without the prompt and the files.
        inputs: The files that it starts from.
        plan: Of the steps that its strength leaves.
        stop: Chooses its result.
    """

    seed: int | None
    call: Arguments
    inputs: tuple[Input, ...]
    plan: Plan
    stop: StopRule


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(RunOptions):
    """The complete settings of a run.

    Attributes:
        plan: The plan as far as `stop` needs it if that is known, else to the last output.
        call: The arguments of the pipeline's call, without the prompt and the files.
        inputs: The files that the run starts from.
        lines: What every line of a prompt file has of its own; empty if lines are only prompts.
            `call`, `inputs`, `plan` and `stop` are the first one's then.
        devices: One entry per process; those of a group, and in it of a core, stand side by side.
        groups: How many samples are made at a time, each by as many cores as the plan has.
        layout: How devices are laid out; None where the request or the preset says it.
        note: What to say before the run starts, a sentence a line; None if that is nothing.
        host: How the names of this host's devices begin; empty if there is no other host.
    """

    preset: Preset
    prompts: tuple[str, ...]
    plan: Plan
    stop: StopRule
    call: Arguments
    inputs: tuple[Input, ...] = ()
    lines: tuple["Own", ...] = ()
    devices: tuple[str, ...]
    groups: int = 1
    layout: Layout | None = field(default=None, compare=False)
    note: str | None = field(compare=False)
    seed: int
    num: int
    output: Path
    dtype: Dtype
    guidance_split: bool
    context: int
    host: str = field(default="", compare=False)

    @property
    def members(self) -> int:
        """How many processes a core has, each with a device."""
        return members_of(split=self.guidance_split, context=self.context)

    @property
    def arguments(self) -> Arguments:
        """All arguments of the pipeline's call but the prompt."""
        return self.call | in_call(self.inputs, self.preset)

    @property
    def samples(self) -> tuple[PlannedSample, ...]:
        """What the run makes, in order."""
        own_seeds = [line.seed for line in self.lines]
        return planned_samples(self.prompts, self.num, self.seed, own_seeds)

    def of(self, sample: PlannedSample) -> "Settings":
        """Returns the settings that a sample is made with."""
        if sample.line is None:
            return self
        own = self.lines[sample.line]
        return replace(
            self, call=own.call, inputs=own.inputs, plan=own.plan, stop=own.stop, lines=()
        )

    @property
    def demand(self) -> Demand:
        """What the memory that the run takes depends on."""
        return Demand(
            preset=self.preset,
            dtype=self.dtype,
            call=self.call,
            sees=self.sees,
            devices=as_seen_from(self.host, self.devices),
            decoders=self.decoders,
            members=self.members,
            groups=self.groups,
        )

    @property
    def decoders(self) -> frozenset[int]:
        """The cores that may be asked to decode an output."""
        cores = self.stop.decoders(self.plan, keep=self.all_cores)
        own = (line.stop.decoders(line.plan, keep=self.all_cores) for line in self.lines)
        return cores.union(*own)

    @property
    def sees(self) -> bool:
        """Whether a sample starts from a picture or a video."""
        return bool(self.inputs) or any(line.inputs for line in self.lines)
