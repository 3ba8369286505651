"""What a pipeline gets of its inputs, and the call that goes with them."""

from collections.abc import Sequence

from chords_cli.models.diffusers_source import PipelineClass
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.presets.schema import Preset
from chords_cli.runs.inputs.frames import fit_frames
from chords_cli.runs.inputs.inputs import Fitted, Input
from chords_cli.runs.inputs.sizes import fit_sizes


def fit_inputs(
    inputs: Sequence[Input],
    preset: Preset,
    pipeline: PipelineClass | None,
    call: Arguments,
    *,
    width: int | None = None,
    height: int | None = None,
    frames: int | None = None,
) -> Fitted:
    """Fits inputs and a call to each other: size, number of frames, and what is cropped for them.

    Args:
        inputs: As they were read.
        preset: With the pipeline that takes them.
        pipeline: That pipeline; None where its source cannot be read.
        call: The arguments of its call, without the files.
        width: As the user asks for it; None if not given, as the next two.
        height: In pixels, too.
        frames: How many the result has.

    Raises:
        UsageError: They do not fit the pipeline or this machine.
    """
    sized = fit_sizes(inputs, preset, pipeline, call, width=width, height=height)
    framed = fit_frames(sized.inputs, preset, pipeline, sized.call, frames=frames)
    told = dict.fromkeys([note for one in framed.inputs for note in one.notes])
    return Fitted(framed.inputs, framed.call, (*told, *sized.notes, *framed.notes))
