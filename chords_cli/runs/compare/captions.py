"""Writes what a comparison says in words: below its pictures, and beside its numbers."""

from collections.abc import Iterator

from chords_cli.records.compare import ComparedSample, CompareRecord, ResultRecord

_BELIEVABLE = 1.1
"""The ratio of measured to ideal speed-up up to which noise may explain it."""


def title(record: CompareRecord) -> str:
    """Returns the sheet's heading."""
    return f"{record.title}: {len(record.arms)} ways, compared with {record.reference}"


def captions(record: CompareRecord, sample: ComparedSample) -> list[tuple[str, ...]]:
    """Returns per arm the lines below its picture."""
    return [tuple(_caption(record, result)) for result in sample.results]


def notes(record: CompareRecord) -> Iterator[str]:
    """Yields what one has to know to read the numbers correctly."""
    yield from record.left_out
    yield from _note_shared_devices(record)
    yield _note_sameness(record)
    arms = record.arms
    if any((arm.speedup.ratio or 0) > _BELIEVABLE for arm in arms):
        yield (
            "A measured speed-up above the ideal one means that this machine was busy with other "
            "things, or that its processors are uneven: measure again when it is quiet."
        )
    if any(arm.name.startswith("few-steps") for arm in arms):
        yield (
            "few-steps is stock diffusers on one device, with as many steps as the fastest other "
            "arm has rounds (or steps=N); scheduler=NAME takes them in another way, on the "
            "model's own grid. Anyone gets that for nothing."
        )
    if any(arm.speedup.ideal is None for arm in arms):
        yield "Arms with another model, dtype or device have other rounds: no ideal speed-up."
    if any("cache" in arm.model for arm in arms):
        yield (
            "Where an arm has a cache, its evaluations are counted by the work of the model's "
            "linear layers that was left to do."
        )
    if len(record.samples) == 1:
        yield "One result tells little of others: name more prompts, or --num N for more seeds."
    if record.repeat == 1:
        yield "Every arm was measured once, after a warm-up; --repeat N gives median and spread."
    if any(not result.same_bits for sample in record.samples for result in sample.results):
        yield "Not every repetition gave the same bits: some kernels here are not deterministic."
    if record.kind == "video":
        yield "PSNR and SSIM are of the decoded frames, before the video file is compressed."
    yield (
        "Peak memory is per core. On a GPU it counts from the start of a run; on the host it is "
        "the process's since it began. Arms that share a loaded model count what any of them needs."
    )


def _note_sameness(record: CompareRecord) -> str:
    """Says in what all arms are the same, or that their seconds do not compare."""
    dtypes = list(dict.fromkeys(arm.dtype for arm in record.arms))
    compiled = list(dict.fromkeys("compile" in arm.model for arm in record.arms))
    attentions = list(dict.fromkeys(arm.model.get("attention") for arm in record.arms))
    ways = (("dtype", dtypes), ("compile", compiled), ("attention", attentions))
    differ = [name for name, found in ways if len(found) > 1]
    if differ:
        return f"Arms differ in {' and '.join(differ)}: their seconds do not compare ways alone."
    how = "compiled" if compiled[0] else "not compiled"
    attention = f"attention {attentions[0]}" if attentions[0] else "diffusers' own attention"
    return f"All arms run in {dtypes[0]}, {how}, with {attention}."


def _caption(record: CompareRecord, result: ResultRecord) -> Iterator[str]:
    yield result.arm
    yield f"{result.evaluations:g} in a row, sampled in {result.seconds.sample.median:.2f} s"
    if result.arm == record.reference:
        yield "the reference"
        return
    quality = result.quality
    if quality.same_pixels:
        yield "equal, pixel for pixel"
        return
    ssim = "" if quality.ssim is None else f", SSIM {quality.ssim:.3f}"
    yield f"PSNR {quality.psnr:.1f} dB{ssim}"
    if quality.latent_rmse is not None:
        yield f"latent RMSE {quality.latent_rmse:.3f}"


def _note_shared_devices(record: CompareRecord) -> Iterator[str]:
    """Says why the seconds are not those of separate devices, if cores share a device."""
    crowded = [arm for arm in record.arms if arm.shares_devices]
    if crowded:
        places = ", ".join(dict.fromkeys(place for arm in crowded for place in arm.devices))
        names = ", ".join(arm.name for arm in crowded)
        yield (
            f"Cores share {places} ({names}): the measured speed-up is not what separate GPUs "
            "give. The ideal one, from evaluations in a row, is the most that a device for every "
            "core allows."
        )
