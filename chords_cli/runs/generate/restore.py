"""Pictures of latents that were kept: what was sampled once is decoded, and nothing else."""

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from chords_cli.events import Listener, PromptDone, PromptStarted, RunResolved
from chords_cli.media.files import new_folder
from chords_cli.models.weights import model_folder
from chords_cli.records.run import OutputRecord, RunRecord, RunSeconds, SampleRecord, SampleSeconds
from chords_cli.runs.generate.record import run_record, write_record
from chords_cli.runs.generate.run import Prepared, pool_settings
from chords_cli.runs.outputs.recipe import which_output
from chords_cli.runs.outputs.saving import OutputSaver
from chords_cli.runs.settings.from_metadata import read_kept, read_recipe
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.sampler.plan import sequential_plan
from chords_cli.sampler.stop import StopRule

if TYPE_CHECKING:
    from chords_cli.engine.messages import Latent
    from chords_cli.engine.pool import Pool, SampledOutput


def restore(prepared: Prepared, listener: Listener) -> RunRecord:
    """Decodes the latent of a file on one core; returns the record, which is also in the folder.

    Raises:
        UsageError: The file holds no latent, or its model is not on this machine.
        ChordsError: The latent could not be decoded.
    """
    from chords_cli.engine.messages import Latent
    from chords_cli.engine.pool import Pool

    settings, path = prepared.settings, prepared.request.from_latent
    assert path is not None, "a request for a latent names its file"
    latent, (sample,) = Latent(*read_kept(path)), settings.samples
    start = pool_settings(settings, model_folder(settings.preset))
    alone = replace(
        start, devices=settings.devices[:1], decoders=frozenset({0}), members=1, contexts=1
    )
    listener(
        RunResolved(
            model=settings.preset.title,
            plan=sequential_plan(settings.plan.steps),
            stop=StopRule("core_index", index=1),  # the only core's
            devices=alone.devices,
            output=str(settings.output),
        )
    )
    with new_folder(settings.output), Pool(alone, listener) as pool:
        loaded = time.monotonic()
        began = PromptStarted(number=1, total=1, prompt=sample.prompt, seed=sample.seed)
        listener(began)
        output, decoding = _decode(prepared, pool, latent)
        saver = OutputSaver(settings, sample, listener, replace=settings.overwrite)
        saver.save(output)
        total = round(time.monotonic() - began.at, 4)
        made = _record(output, saver, SampleSeconds(decode=round(decoding, 4), total=total), sample)
        seconds = RunSeconds(
            load=round(loaded - prepared.began, 4),
            total=round(time.monotonic() - prepared.began, 4),
        )
        record = run_record(settings, [made], components=pool.components, seconds=seconds)
        write_record(settings.output, record)
    listener(PromptDone(number=1, path=str(settings.output / made.output), seconds=total))
    return record


def _decode(prepared: Prepared, pool: "Pool", latent: "Latent") -> tuple["SampledOutput", float]:
    """Returns the output that the file is, with its frames, and the seconds of decoding."""
    from chords_cli.engine.pool import SampledOutput

    settings, path = prepared.settings, prepared.request.from_latent
    assert path is not None, "a request for a latent names its file"
    (sample,), which = settings.samples, read_recipe(path).output
    call = settings.arguments | {"prompt": sample.prompt}
    frames, seconds = pool.restore(call, sample.seed, settings.plan.steps, latent)
    output = SampledOutput(
        index=which.index,
        core=which.core or 0,
        round=which.round or 0,
        residual=which.residual,
        seconds=0.0,
        chosen=True,
        latent=latent,
        frames=frames,
        size=frames.shape[:3],
    )
    return output, seconds


def _record(
    output: "SampledOutput", saver: OutputSaver, seconds: SampleSeconds, sample: PlannedSample
) -> SampleRecord:
    """Returns the record of a picture that was decoded alone."""
    saved = saver.files[output.index]
    assert saved.path is not None, "the result is kept"
    return SampleRecord(
        prompt=sample.prompt,
        seed=sample.seed,
        output=saved.path,
        rounds=output.round,
        outputs=(OutputRecord(**dict(which_output(output)), **asdict(saved)),),
        seconds=seconds,
    )
