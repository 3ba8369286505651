"""What a comparison's runs were, gathered as they end, and what that makes of every arm."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.records.compare import (
    ArmRecord,
    ComparedSample,
    PlannedArmRecord,
    Quality,
    ResultRecord,
    Speedup,
    Spreads,
)
from chords_cli.runs.compare.comparison import Arm, Comparison
from chords_cli.runs.compare.gallery import Gallery
from chords_cli.runs.compare.measure import Measured
from chords_cli.runs.compare.scores import distances, over_samples, peaks, speedup, spreads
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.outputs.recipe import which_output
from chords_cli.runs.settings.samples import PlannedSample

_COST_NOTHING = {"num_inference_steps", "negative_prompt"}
"""Arguments of a call that change how many rounds there are, or nothing of what a round costs."""

if TYPE_CHECKING:
    from chords_cli.engine.messages import Latent

Key = tuple[int, int]
"""An arm's number and a sample's."""


class Results:
    """All measured runs of a comparison."""

    def __init__(self, comparison: Comparison, gallery: Gallery) -> None:
        self._comparison, self._gallery = comparison, gallery
        self._runs: dict[Key, list[Measured]] = defaultdict(list)
        self._latents: dict[Key, Latent] = {}
        self._changing: set[Key] = set()
        self._qualities: dict[Key, Quality] = {}
        self._scores: dict[Key, float] = {}

    def add(self, measured: Measured) -> None:
        """Adds one run; of its latent only whether it is the first run's."""
        key = (measured.arm.number, measured.sample.number)
        latent = measured.output.latent
        if self._latents.setdefault(key, latent) != latent:
            self._changing.add(key)
        empty = replace(measured.output, latent=replace(latent, data=b""))
        self._runs[key].append(replace(measured, output=empty))

    def judge(self, clip: Path) -> None:
        """Scores every result with the CLIP model in that folder."""
        from chords_cli.pipelines.clip import ClipScore

        judge = ClipScore(clip)
        for arm in self._comparison.arms:
            for sample in self._comparison.samples:
                frames = self._gallery.frames(arm, sample)
                self._scores[arm.number, sample.number] = judge.score(sample.prompt, frames)

    def arm(self, arm: Arm, planned: PlannedArmRecord) -> ArmRecord:
        """Returns what the arm came to, over all samples."""
        runs, samples = self._of(arm), self._comparison.samples
        seconds = spreads(runs)
        first = sorted(self._runs[arm.number, samples[0].number], key=lambda run: run.seconds.total)
        typical = first[(len(first) - 1) // 2]  # its time is the median, or next to it
        assert typical.timeline is not None, "the first sample has timelines"
        return ArmRecord(
            **dict(planned),
            rounds=_median_rounds(runs),
            nfe_total=statistics.median(run.nfe_total for run in runs),
            seconds=seconds,
            speedup=self._speedup(arm, seconds),
            quality=over_samples([self._quality(arm, sample) for sample in samples]),
            peak_memory=peaks(runs, arm.settings.devices),
            timeline=typical.timeline,
        )

    def sample(self, sample: PlannedSample) -> ComparedSample:
        """Returns what all arms made of one sample."""
        arms = self._comparison.arms
        return ComparedSample(
            number=sample.number,
            prompt=sample.prompt,
            seed=sample.seed,
            difference_gain=self._gallery.differences(sample)[0],
            results=tuple(self._result(arm, sample) for arm in arms),
        )

    def _result(self, arm: Arm, sample: PlannedSample) -> ResultRecord:
        key = (arm.number, sample.number)
        runs = self._runs[key]
        files = {ending: arm.file(sample, ending) for ending in endings(arm.settings)}
        return ResultRecord(
            arm=arm.name,
            picture=files["png"],
            video=files.get("mp4"),
            latent=files["safetensors"],
            output=which_output(runs[0].output),
            rounds=runs[0].output.round,
            nfe_total=runs[0].nfe_total,
            seconds=spreads(runs),
            runs=tuple(run.seconds for run in runs),
            same_bits=key not in self._changing,
            quality=self._quality(arm, sample),
        )

    def _quality(self, arm: Arm, sample: PlannedSample) -> Quality:
        key, reference = (arm.number, sample.number), self._comparison.reference
        if key not in self._qualities:
            other = (reference.number, sample.number)
            found = distances(
                self._latents[key],
                self._gallery.frames(arm, sample),
                self._latents[other],
                self._gallery.frames(reference, sample),
            )
            if key in self._scores:
                found = found.model_copy(update={"clip_score": self._scores[key]})
            self._qualities[key] = found
        return self._qualities[key]

    def _speedup(self, arm: Arm, seconds: Spreads) -> Speedup:
        reference = self._comparison.reference
        others = self._of(reference)
        rounds = (_median_rounds(self._of(arm)), _median_rounds(others))
        return speedup(seconds, spreads(others), rounds if _alike(arm, reference) else None)

    def _of(self, arm: Arm) -> list[Measured]:
        samples = self._comparison.samples
        return [run for sample in samples for run in self._runs[arm.number, sample.number]]


def _alike(arm: Arm, other: Arm) -> bool:
    """Whether a round costs both the same: one model, dtype and device, and one guidance."""
    own, theirs = (
        (
            c.settings.preset.identity,
            c.settings.dtype,
            c.settings.devices[0],
            {key: value for key, value in c.settings.call.items() if key not in _COST_NOTHING},
        )
        for c in (arm, other)
    )
    return own == theirs


def _median_rounds(runs: Sequence[Measured]) -> float:
    return statistics.median(run.output.round for run in runs)
