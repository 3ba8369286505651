"""The options of a run. Each is declared once, and everything that needs an option reads it here.

An option is one annotated field. The fields determine the signatures of the commands, the settings
that an arm of a comparison may have, the values that `--from-metadata` reads, and the settings in a
record. None means that an option is not given; its value then comes from the metadata, the preset
or the defaults below, in this order.

To add an option, add its field. If it has `call`, it sets that argument of the pipeline, and that
is all. Any other in `RunOptions` becomes a field of every run's `Settings` with the same name; one
in `Request` alone has to be resolved in `runs.settings.resolve`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from chords_cli.engine.hosts.places import HostDevices
from chords_cli.runs.settings.options.input_options import InputOptions
from chords_cli.runs.settings.options.option import (
    MACHINE,
    MODEL,
    PICTURE,
    PLAN,
    Option,
    options_of,
)
from chords_cli.sampler.choice import Algo, PlanChoice, parse_init_t


@dataclass(frozen=True, kw_only=True, slots=True)
class Request(InputOptions):
    """What the user asks for: the options of `chords image` and `chords video`.

    `hosts` are the devices of all hosts if several work on it.
    """

    kind: Literal["image", "video"]
    hosts: HostDevices | None = None
    prompts: Annotated[
        tuple[str, ...],
        Option(
            None,
            "What to make, one result per prompt. Without any: the model's own prompts.",
            compare="all",
        ),
    ] = ()
    model: Annotated[
        str | None,
        Option(
            MODEL,
            "A preset's name, a preset file or a fetched repository. Without it: the built-in one.",
            flags="--model/-m",
            completion="models",
            compare="both",
        ),
    ] = None
    prompt_file: Annotated[
        str | None,
        Option(
            MODEL,
            "Read prompts from a file, one per line, or with `-` from standard input; lines that"
            " are empty or begin with # are skipped. A .jsonl file has an object of options per"
            " line.",
            compare="all",
        ),
    ] = None
    from_metadata: Annotated[
        Path | None, Option(MODEL, "Make a file again; other options change its settings.")
    ] = None
    from_latent: Annotated[
        Path | None, Option(MODEL, "Decode a latent that was kept, without sampling.")
    ] = None
    algo: Annotated[
        Algo | None,
        Option(
            PLAN,
            "`wavefront` is ours, `chords` the paper's, `sequential` one core with every step.",
        ),
    ] = None
    cores: Annotated[
        int | None,
        Option(PLAN, "How many solvers work on a picture.", flags="--cores/-k", compare="both"),
    ] = None
    steps: Annotated[
        int | None,
        Option(
            PLAN,
            "Steps of the sequential sampler: the grid.",
            call="num_inference_steps",
            compare="both",
        ),
    ] = None
    init_t: Annotated[
        str | None,
        Option(
            PLAN,
            "For `chords`: where each core begins its fine steps, as in 0-8-16-32, or `auto`.",
            compare="arm",
        ),
    ] = None
    rounds: Annotated[
        int | None,
        Option(
            PLAN, "For `wavefront`: after how many rounds the first result arrives.", compare="arm"
        ),
    ] = None
    speedup: Annotated[
        float | None,
        Option(PLAN, "For `wavefront`: the rounds, given as an ideal speed-up.", compare="arm"),
    ] = None
    exact: Annotated[
        bool,
        Option(PLAN, "Make what the stock pipeline makes, with as many devices as that allows."),
    ] = False
    stop_index: Annotated[
        int | None,
        Option(
            PLAN,
            "Return this output: 0 is the preview, 1 the fastest core's, and so on.",
            compare="arm",
        ),
    ] = None
    stop_residual: Annotated[
        float | None,
        Option(
            PLAN,
            "Return the first output that differs less than this from the one before it.",
            compare="arm",
        ),
    ] = None
    guidance: Annotated[
        float | None,
        Option(
            MODEL,
            "How closely to follow the prompt.",
            flags="--guidance/-g",
            call="guidance",
            compare="both",
        ),
    ] = None
    negative_prompt: Annotated[
        str | None,
        Option(
            MODEL, "What the result should not look like.", call="negative_prompt", compare="both"
        ),
    ] = None
    width: Annotated[
        int | None,
        Option(PICTURE, "In pixels.", flags="--width/-W", call="width", compare="all"),
    ] = None
    height: Annotated[
        int | None,
        Option(PICTURE, "In pixels.", flags="--height/-H", call="height", compare="all"),
    ] = None
    frames: Annotated[
        int | None,
        Option(PICTURE, "How many frames.", call="num_frames", video=True, compare="all"),
    ] = None
    devices: Annotated[
        str | None,
        Option(
            MACHINE,
            "Such as cuda:0,cuda:1 or cpu; cores take turns on them.",
            completion="devices",
            compare="both",
        ),
    ] = None

    @property
    def plan_choice(self) -> PlanChoice:
        """What the options say about the plan.

        Raises:
            PlanError: The starts cannot be read.
        """
        return PlanChoice(
            steps=self.steps,
            cores=self.cores,
            algo=self.algo,
            init_t=None if self.init_t is None else parse_init_t(self.init_t),
            rounds=self.rounds,
            speedup=self.speedup,
        )


CALL_OPTIONS = {
    option.call: name for name, (_, option) in options_of(Request).items() if option.call
}
"""Maps an argument of the pipeline's call to the option that sets it."""
