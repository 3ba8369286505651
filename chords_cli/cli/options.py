"""Every option of the command line, declared once.

A command lists the options it takes by name; `accepts` gives it the signature that typer reads.
None means not said, so that presets and metadata can fill it in.
"""

import inspect
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from chords_cli.errors import UsageError

MODEL, ARMS, PLAN, PICTURE, OUTPUT, SOURCE, MACHINE, TALK = (
    "Model and prompts",
    "Arms: the ways that are compared",
    "Plan: how cores share the work",
    "Picture",
    "Output",
    "Hub and cache",
    "Machine",
    "What is shown",
)
"""The groups of `--help`."""

Command = Callable[..., None]


def accepts(*names: str) -> Callable[[Command], Command]:
    """Makes a command take the options of these names, in this order, as keyword arguments."""

    def decorate(command: Command) -> Command:
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [_parameter(name, OPTIONS[name]) for name in names]
        )
        return command

    return decorate


def as_option(name: str, value: Any = None) -> str:
    """An option as it is typed: `--cores 4`, or `--cores` where there is no value to give."""
    flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
    return flag if value is None or isinstance(value, bool) else f"{flag} {shlex.quote(str(value))}"


_FLAGS = {"loras": "--lora", "metadata": "--no-metadata"}
"""Options whose name is not their flag's."""


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    default = {"metadata": True}.get(name, False if annotation.__origin__ is bool else None)
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _option(
    type: Any,
    flags: str,
    group: str,
    help: str,
    complete: Callable[[str], list[Any]] | None = None,
    metavar: str | None = None,
    parser: Callable[[str], Any] | None = None,
) -> Any:
    """An option that may be left out; `flags` as in `--cores/-k`."""
    names = [flags] if flags.startswith(" /") else flags.split("/")
    info = typer.Option(
        *names,
        help=help,
        rich_help_panel=group,
        autocompletion=complete,
        metavar=metavar,
        parser=parser,
    )
    info.show_default = False
    return Annotated[type if type is bool else type | None, info]


def _folder(name: str) -> Path:
    """A folder by its name, of which a path would forget that it is empty."""
    if not name.strip():
        raise UsageError("output is empty", "name a folder with --output")
    return Path(name)


def _models(incomplete: str) -> list[tuple[str, str]]:
    from chords_cli.presets.files import available_presets

    return [(preset.name, f"{preset.origin} preset") for preset in available_presets()]


def _devices(incomplete: str) -> list[str]:
    """`cpu` and the CUDA devices that the driver shows, without asking torch."""
    count = len(list(Path("/dev").glob("nvidia[0-9]*")))
    begun, comma, _ = incomplete.rpartition(",")
    return [f"{begun}{comma}{name}" for name in (*(f"cuda:{n}" for n in range(count)), "cpu")]


OPTIONS: Mapping[str, Any] = {
    "prompts": Annotated[
        list[str] | None,
        typer.Argument(
            help="What to make, one result per prompt. Without any: the model's own prompts.",
            show_default=False,
        ),
    ],
    "name": Annotated[
        str | None,
        typer.Argument(
            help="The preset to show in full.", show_default=False, autocompletion=_models
        ),
    ],
    "models": Annotated[
        list[str] | None,
        typer.Argument(
            help="Presets, preset files or repositories such as owner/name. Without any: a table.",
            show_default=False,
            autocompletion=_models,
        ),
    ],
    "model": _option(
        str,
        "--model/-m",
        MODEL,
        "A preset's name or a preset file. Without it: the built-in demo.",
        _models,
    ),
    "prompt_file": _option(
        str,
        "--prompt-file",
        MODEL,
        "Read prompts from a file, one a line, or with `-` from standard input; lines that are"
        " empty or begin with # are skipped.",
    ),
    "negative_prompt": _option(
        str, "--negative-prompt", MODEL, "What the result should not look like."
    ),
    "guidance": _option(float, "--guidance/-g", MODEL, "How closely to follow the prompt."),
    "loras": _option(
        list[str],
        "--lora",
        MODEL,
        "Add a LoRA: a file, a folder or a fetched repository; 1.0 without a scale; repeatable.",
        metavar="SOURCE [SCALE]",
    ),
    "algo": _option(
        Literal["sequential", "chords", "wavefront"],
        "--algo",
        PLAN,
        "`wavefront` is ours, `chords` the paper's, `sequential` one core with every step.",
    ),
    "cores": _option(int, "--cores/-k", PLAN, "How many solvers run at once."),
    "steps": _option(int, "--steps", PLAN, "Steps of the sequential sampler: the grid."),
    "init_t": _option(
        str,
        "--init-t",
        PLAN,
        "For `chords`: where each core begins its fine steps, as in 0-8-16-32, or `auto`.",
    ),
    "rounds": _option(
        int, "--rounds", PLAN, "For `wavefront`: after how many rounds the first result is there."
    ),
    "speedup": _option(
        float, "--speedup", PLAN, "For `wavefront`: the rounds, said as an ideal speed-up."
    ),
    "stop_index": _option(
        int,
        "--stop-index",
        PLAN,
        "Return this output: 0 is the preview, 1 the fastest core's, and so on.",
    ),
    "stop_residual": _option(
        float,
        "--stop-residual",
        PLAN,
        "Return the first output that differs less than this from the one before it.",
    ),
    "arm": _option(
        list[str],
        "--arm",
        ARMS,
        "An algorithm with settings of its own; repeatable. Without any: all, and few-steps.",
        metavar='"NAME [SETTING=VALUE]..."',
    ),
    "reference": _option(
        str, "--reference", ARMS, "The arm that others are compared with: sequential by default."
    ),
    "repeat": _option(
        int, "--repeat", ARMS, "Run every arm this often, after a warm-up, for median and spread."
    ),
    "clip_score": _option(
        bool, "--clip-score", ARMS, "Also score how well results fit their prompts, with CLIP."
    ),
    "seed": _option(int, "--seed/-s", PICTURE, "Of the first result; the next ones count up."),
    "num": _option(int, "--num/-n", PICTURE, "How many results per prompt."),
    "width": _option(int, "--width/-W", PICTURE, "In pixels."),
    "height": _option(int, "--height/-H", PICTURE, "In pixels."),
    "frames": _option(int, "--frames", PICTURE, "How many frames."),
    "fps": _option(int, "--fps", PICTURE, "Frames per second of the file."),
    "gif": _option(bool, "--gif", OUTPUT, "Make a GIF of every video as well."),
    "output": _option(
        Path,
        "--output/-o",
        OUTPUT,
        "The folder for the results.",
        metavar="<path>",
        parser=_folder,
    ),
    "all_cores": _option(bool, "--all-cores", OUTPUT, "Keep every core's output as it lands."),
    "save_latents": _option(bool, "--save-latents", OUTPUT, "Keep latents as safetensors."),
    "resume": _option(
        bool, "--resume", OUTPUT, "Skip what was made before with the same settings."
    ),
    "overwrite": _option(bool, "--overwrite", OUTPUT, "Replace files that are there already."),
    "metadata": _option(bool, " /--no-metadata", OUTPUT, "Write no settings into the files."),
    "from_metadata": _option(
        Path, "--from-metadata", OUTPUT, "Make a file again; other options change its settings."
    ),
    "devices": _option(
        str, "--devices", MACHINE, "Such as cuda:0,cuda:1 or cpu; shared in turn.", _devices
    ),
    "dtype": _option(
        Literal["float32", "bfloat16", "float16"], "--dtype", MACHINE, "What the model runs in."
    ),
    "timeout": _option(
        float, "--timeout", MACHINE, "Seconds that a core waits for another before giving up."
    ),
    "all": _option(bool, "--all", SOURCE, "Every preset that is a repository of the hub."),
    "revision": _option(str, "--revision", SOURCE, "A branch, tag or commit."),
    "cache_dir": _option(
        Path, "--cache-dir", SOURCE, "Another cache than that of HF_HUB_CACHE or HF_HOME."
    ),
    "force": _option(bool, "--force", SOURCE, "Fetch again what is there."),
    "max_workers": _option(int, "--max-workers", SOURCE, "How many files at once, 8 by default."),
    "download": _option(
        bool, "--download", MACHINE, "Fetch the model first where it is not on this machine."
    ),
    "verify": _option(
        bool, "--verify", SOURCE, "Compare every file of the model with the hub's hashes."
    ),
    "dry_run": _option(
        bool, "--dry-run", TALK, "Resolve and check everything, show it, load nothing."
    ),
    "json": _option(bool, "--json", TALK, "One JSON document on standard output, nothing else."),
    "quiet": _option(bool, "--quiet/-q", TALK, "Only the paths of the results."),
    "verbose": _option(bool, "--verbose/-v", TALK, "More about what happens."),
}

GENERATION = (
    *("prompts", "model", "prompt_file", "negative_prompt", "guidance", "loras"),
    *("algo", "cores", "steps", "init_t", "rounds", "speedup", "stop_index", "stop_residual"),
    *("seed", "num", "width", "height"),
    *("output", "all_cores", "save_latents", "resume", "overwrite", "metadata", "from_metadata"),
    *("devices", "dtype", "timeout", "download"),
    *("dry_run", "json", "quiet", "verbose"),
)
"""What every command that makes pictures takes."""

COMPARISON = (
    *("prompts", "model", "prompt_file", "negative_prompt", "guidance", "loras"),
    *("arm", "reference", "repeat", "clip_score"),
    *("cores", "steps", "seed", "num", "width", "height", "frames", "fps"),
    *("output", "overwrite", "metadata", "devices", "dtype", "timeout", "download"),
    *("dry_run", "json", "quiet", "verbose"),
)
"""What a comparison takes: what its arms have in common."""
