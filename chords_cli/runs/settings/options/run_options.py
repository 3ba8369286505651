"""The options that are settings of a run under the same name; `request` has all others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from chords_cli.engine.start import DEFAULT_TIMEOUT
from chords_cli.pipelines.load.spec import Dtype
from chords_cli.runs.settings.options.option import MACHINE, MODEL, OUTPUT, PICTURE, Option


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """The options that a run's settings have under the same name."""

    loras: Annotated[
        tuple[tuple[str, float], ...],
        Option(
            MODEL,
            "Add a LoRA: a file, a folder or a fetched repository; 1.0 without a scale;"
            " @transformer_2 for Wan2.2's second; repeatable.",
            flags="--lora",
            metavar="SOURCE[@PART][=SCALE]",
            pixels=True,
            compare="all",
        ),
    ] = ()
    seed: Annotated[
        int | None,
        Option(
            PICTURE,
            "The seed of the first result; the next ones count up.",
            flags="--seed/-s",
            preset=True,
            compare="all",
        ),
    ] = None
    num: Annotated[
        int | None,
        Option(
            PICTURE,
            "How many results per prompt. Default: 1.",
            flags="--num/-n",
            least=1,
            compare="all",
        ),
    ] = None
    fps: Annotated[
        int | None,
        Option(
            PICTURE,
            "Frames per second of the file.",
            video=True,
            preset=True,
            pixels=True,
            least=1,
            most=1000,  # no screen shows more, and ffmpeg counts no further than to billions
            compare="all",
        ),
    ] = None
    gif: Annotated[bool, Option(OUTPUT, "Make a GIF of every video as well.", video=True)] = False
    output: Annotated[
        Path | None,
        Option(
            OUTPUT,
            "The folder for the results.",
            flags="--output/-o",
            metavar="FOLDER",
            compare="all",
        ),
    ] = None
    all_cores: Annotated[bool, Option(OUTPUT, "Keep every core's output as it lands.")] = False
    save_latents: Annotated[bool, Option(OUTPUT, "Keep latents as safetensors.")] = False
    resume: Annotated[bool, Option(OUTPUT, "Skip what was made before with the same settings.")] = (
        False
    )
    overwrite: Annotated[
        bool, Option(OUTPUT, "Replace files that already exist.", compare="all")
    ] = False
    metadata: Annotated[
        bool,
        Option(OUTPUT, "Write no settings into the files.", flags=" /--no-metadata", compare="all"),
    ] = True
    dtype: Annotated[
        Dtype | None,
        Option(
            MACHINE,
            "What the model runs in: float32, bfloat16 or float16.",
            preset=True,
            pixels=True,
            compare="both",
        ),
    ] = None
    guidance_split: Annotated[
        bool | None,
        Option(
            MACHINE,
            "Run every core on two devices, one for each half of guidance.",
            flags="--guidance-split/--no-guidance-split",
            preset=True,
            pixels=True,
            compare="both",
        ),
    ] = None
    context: Annotated[
        int | None,
        Option(
            MACHINE,
            "Run every core on so many devices, each with a part of every picture's tokens.",
            preset=True,
            pixels=True,
            compare="both",
            least=1,
        ),
    ] = None
    timeout: Annotated[
        float,
        Option(MACHINE, "Seconds that a core waits for another before giving up.", compare="all"),
    ] = DEFAULT_TIMEOUT
