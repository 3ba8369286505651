"""Collects the measured runs of a comparison, and makes the records of arms and samples."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chords_cli.records.compare import (
    ArmRecord,
    ComparedSample,
    PlannedArmRecord,
    Quality,
    ResultRecord,
    Speedup,
    Spreads,
)
from chords_cli.runs.compare.comparison import Comparison
from chords_cli.runs.compare.gallery import Gallery
from chords_cli.runs.compare.measure import Measured
from chords_cli.runs.compare.resolving import Arm
from chords_cli.runs.compare.scores import distances, over_samples, peaks, speedup, spreads
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.outputs.recipe import which_output
from chords_cli.runs.settings.samples import PlannedSample

_COST_NOTHING = {"num_inference_steps", "negative_prompt"}
"""Arguments of a call that do not change how much one round costs."""

_MADE_EQUAL = {"scheduler", "cache"}
"""Keys of a model that do not change how much one evaluation costs."""

if TYPE_CHECKING:
    from chords_cli.engine.messages import Latent

Key = tuple[int, int]
"""The number of an arm and the number of a sample."""


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
        """Adds one run; keeps its latent only if it is the first run, else compares it."""
        key = (measured.arm.number, measured.sample.number)
        latent = measured.output.latent
        if self._latents.setdefault(key, latent) != latent:
            self._changing.add(key)
        empty = replace(measured.output, latent=replace(latent, data=b""))
        self._runs[key].append(replace(measured, output=empty))

    def of_arms(self, warning: str) -> str:
        """Returns what was warned of, with the arms that it is about unless it is about all."""
        about = {
            run.arm.name for runs in self._runs.values() for run in runs if warning in run.warnings
        }
        names = [arm.name for arm in self._comparison.arms if arm.name in about]
        every = len(names) in (0, len(self._comparison.arms))
        return warning if every else f"{', '.join(names)}: {warning}"

    def judge(self, clip: Path) -> None:
        """Scores every result with the CLIP model in that folder."""
        from chords_cli.pipelines.clip import ClipScore

        model = ClipScore(clip)
        for arm in self._comparison.arms:
            for sample in self._comparison.samples:
                frames = self._gallery.frames(arm, sample)
                self._scores[arm.number, sample.number] = model.score(sample.prompt, frames)

    def arm(self, arm: Arm, planned: PlannedArmRecord) -> ArmRecord:
        """Returns the record of an arm, over all samples."""
        runs, samples = self._runs_of(arm), self._comparison.samples
        seconds = spreads(runs)
        first = sorted(self._runs[arm.number, samples[0].number], key=lambda run: run.seconds.total)
        typical = first[(len(first) - 1) // 2]  # the run with the median time, or next to it
        assert typical.timeline is not None, "the first sample has timelines"
        return ArmRecord(
            **dict(planned),
            rounds=statistics.median(run.output.round for run in runs),
            evaluations=_median_evaluations(runs),
            nfe_total=statistics.median(run.nfe_total for run in runs),
            seconds=seconds,
            speedup=self._speedup(arm, seconds),
            quality=over_samples([self._quality(arm, sample) for sample in samples]),
            peak_memory=peaks(runs, arm.settings.devices, arm.settings.members),
            timeline=typical.timeline,
        )

    def sample(self, sample: PlannedSample) -> ComparedSample:
        """Returns the results of all arms for one sample."""
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
            evaluations=runs[0].evaluations,
            nfe_total=runs[0].nfe_total,
            seconds=spreads(runs),
            runs=tuple(run.seconds for run in runs),
            same_bits=key not in self._changing,
            quality=self._quality(arm, sample),
        )

    def _quality(self, arm: Arm, sample: PlannedSample) -> Quality:
        key, reference = (arm.number, sample.number), self._comparison.reference
        if key not in self._qualities:
            quality = distances(
                self._latents[key],
                self._gallery.frames(arm, sample),
                self._latents[reference.number, sample.number],
                self._gallery.frames(reference, sample),
            )
            if key in self._scores:
                quality = quality.model_copy(update={"clip_score": self._scores[key]})
            self._qualities[key] = quality
        return self._qualities[key]

    def _speedup(self, arm: Arm, seconds: Spreads) -> Speedup:
        reference = self._comparison.reference
        others = self._runs_of(reference)
        row = (_median_evaluations(self._runs_of(arm)), _median_evaluations(others))
        comparable = _cost_per_round(arm) == _cost_per_round(reference)
        return speedup(seconds, spreads(others), row if comparable else None)

    def _runs_of(self, arm: Arm) -> list[Measured]:
        samples = self._comparison.samples
        return [run for sample in samples for run in self._runs[arm.number, sample.number]]


def _cost_per_round(arm: Arm) -> tuple[Any, ...]:
    """Returns the settings on which the cost of a round depends."""
    settings = arm.settings
    call = {key: value for key, value in settings.call.items() if key not in _COST_NOTHING}
    model = {
        key: value for key, value in settings.preset.identity.items() if key not in _MADE_EQUAL
    }
    members = settings.guidance_split, settings.context
    return model, settings.dtype, settings.devices[0], members, call


def _median_evaluations(runs: Sequence[Measured]) -> float:
    return statistics.median(run.evaluations for run in runs)
