"""Finds out what an output folder already holds: what is left to do, and what must not be touched.

A sample is done if the folder's record, or the metadata of the picture with the sample's name, says
that it was made with the same settings, and if its files are present.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from chords_cli.errors import UsageError, verbatim
from chords_cli.media.files import check_alone
from chords_cli.media.metadata import find_metadata
from chords_cli.media.whole import is_whole
from chords_cli.presets.call import STEPS
from chords_cli.presets.roles import option_of
from chords_cli.records.recipe import Document, InputRecord, Pixels, Recipe
from chords_cli.records.run import (
    OutputRecord,
    OwnRecord,
    RunRecord,
    SampleRecord,
    SampleSeconds,
    SettingsRecord,
)
from chords_cli.runs.generate.record import JOURNAL, RECORD, read_bytes, read_journal, with_own
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.outputs.recipe import pixels
from chords_cli.runs.outputs.saving import planned_names
from chords_cli.runs.settings.finding import with_inputs
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.output_folder import check_free, check_writable
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.runs.settings.settings import Settings

_WHY_TAKEN = "made with other settings or by something else"


@dataclass(slots=True)
class Earlier:
    """What earlier runs have left in the folder.

    Attributes:
        done: The record of every sample that need not be made again, by the sample's number.
        others: The records of samples that this run does not have.
        record: The complete earlier record.
    """

    done: dict[int, SampleRecord] = field(default_factory=dict)
    others: list[SampleRecord] = field(default_factory=list)
    record: RunRecord | None = None

    @property
    def count(self) -> int:
        """How many samples earlier runs have made."""
        return len(self.done) + len(self.others)


def look_back(settings: Settings) -> Earlier:
    """Finds what the output folder already holds of this run; refuses to replace anything else.

    Raises:
        UsageError: The folder cannot be written, or holds files that this run may not replace.
    """
    check_alone(settings.output)
    check_writable(settings.output)
    earlier = _find_done(settings) if settings.resume else Earlier()
    if not settings.overwrite:
        left = (sample for sample in settings.samples if sample.number not in earlier.done)
        names = list(_names_to_write(settings, left, earlier.record))
        if settings.resume:
            check_free(settings.output, names, why=_WHY_TAKEN)
        else:
            check_free(settings.output, [RECORD, JOURNAL, *names], resumable=True)
    return earlier


def fill_from_record(request: Request) -> Request:
    """Takes prompts, seed and number from the folder's record if no prompt is given.

    Raises:
        UsageError: The folder's record cannot be read.
    """
    files = request.prompt_file or request.from_metadata or request.from_latent
    given = request.prompts or files
    record = None if given or request.output is None else _read_record(request.output)
    if record is None or request.output is None:
        return request
    settings = record.settings
    if any(sample.own for sample in record.prompts):
        raise UsageError(
            f"{verbatim(request.output)} was made from a prompt file whose lines have options",
            "name it again with {prompt_file}",
            {"prompt_file": "FILE.jsonl"},
        )
    prompts = settings.prompts or tuple(dict.fromkeys(sample.prompt for sample in record.prompts))
    request = with_inputs(request, settings.inputs or (), request.output / RECORD)
    return replace(
        request,
        prompts=prompts,
        seed=settings.seed if request.seed is None else request.seed,
        num=settings.num if request.num is None else request.num,
    )


def earlier_settings(request: Request) -> SettingsRecord | None:
    """Returns the settings of the run that a request goes on with; None if it begins anew.

    Raises:
        UsageError: The folder's record cannot be read.
    """
    record = _read_record(request.output) if request.resume and request.output else None
    return record.settings if record else None


def _find_done(settings: Settings) -> Earlier:
    """Finds the samples of this run that an earlier run has made.

    Raises:
        UsageError: The earlier run had other settings, or its record cannot be read.
    """
    record = _read_record(settings.output)
    changed = _describe_changes(record, settings) if record else ""
    if record and changed:
        wanted = _options_of(record.settings, pixels(settings))
        raise UsageError(
            f"{verbatim(settings.output)} was made with other settings: {verbatim(changed)}",
            (f"add {' '.join(f'{{{name}}}' for name in wanted)} to go on, or " if wanted else "")
            + "choose another {output}, or give {overwrite} in place of {resume} to make all again",
            {**wanted, "output": None, "overwrite": True, "resume": True},
        )
    known: dict[tuple[str, int, str], list[SampleRecord]] = defaultdict(list)
    for earlier in record.prompts if record else ():
        known[_key(earlier)].append(earlier)
    done: dict[int, SampleRecord] = {}
    for sample in settings.samples:
        own = settings.of(sample)
        bare = SampleRecord(prompt=sample.prompt, seed=sample.seed, output="")
        same = known[_key(with_own(bare, own, sample))]
        found = same.pop(0) if same else _record_of_picture(own, sample)
        if found and _is_complete(own, found):
            done[sample.number] = found
    return Earlier(done, [earlier for same in known.values() for earlier in same], record)


def _key(sample: SampleRecord) -> tuple[str, int, str]:
    """Returns what two samples have in common if one need not be made because of the other."""
    return sample.prompt, sample.seed, sample.own.key if sample.own else ""


def _options_of(then: Pixels, now: Pixels) -> Document:
    """Returns the options with which a run goes on that has other devices, steps or files now."""
    steps = (then.call[STEPS], now.call[STEPS])
    options = {
        "cores": (None if then.algo == "sequential" else then.cores, now.cores),
        "rounds": (then.planned_rounds, now.planned_rounds),
        "algo": (None if then.algo == "wavefront" else then.algo, now.algo),
        "guidance_split": (then.guidance_split, now.guidance_split),
        "context": (then.context, now.context),
        "steps": steps,
    }
    if then.steps != now.steps:
        del options["rounds"]  # they follow from the steps
    wanted = {name: was for name, (was, is_) in options.items() if was not in (None, is_)}
    given = {one.role for one in now.inputs or ()}
    files = {option_of(one.role): one.name for one in then.inputs or () if one.role not in given}
    return {**files, **wanted}


def _read_record(folder: Path) -> RunRecord | None:
    """Reads the record and the journal; for every file the last entry counts."""
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = RunRecord.model_validate_json(read_bytes(path))
        samples = {sample.output: sample for sample in (*record.prompts, *read_journal(folder))}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{verbatim(path)} is not a record of chords",
            "choose another {output}, or remove that file",
            {"output": None},
        ) from error
    return record.model_copy(update={"prompts": tuple(samples.values())})


def _describe_changes(record: RunRecord, settings: Settings) -> str:
    """Names the first setting that differs, with both values, and counts the others."""
    before, after = record.settings, pixels(settings)
    then, now = _flatten(before.pixels()), _flatten(after.pixels())
    differ = [key for key in {**now, **then} if then.get(key) != now.get(key)]
    if settings.lines or any(sample.own for sample in record.prompts):
        differ = [key for key in differ if key.partition(".")[0] not in OwnRecord.model_fields]
    if not differ:
        return ""
    if "inputs" in differ:
        return _describe_inputs(before.inputs or (), after.inputs or ())
    more = f", and {len(differ) - 1} more" if len(differ) > 1 else ""
    option = differ[0].removeprefix("planned_")
    return f"{option} was {then.get(differ[0])}, is {now.get(differ[0])}{more}"


def _describe_inputs(then: Sequence[InputRecord], now: Sequence[InputRecord]) -> str:
    """Names the first file that differs."""
    for before, after in zip_longest(then, now):
        if before is None:
            return f"{after.role} was none, is {after.name}"
        if after is None:
            return f"{before.role} was {before.name}, is none"
        if (before.role, before.sha256) == (after.role, after.sha256):
            continue
        if (before.role, before.name) == (after.role, after.name):
            return f"{before.role} {before.name} is another file now"
        is_ = after.name if before.role == after.role else f"{after.role} {after.name}"
        return f"{before.role} was {before.name}, is {is_}"
    raise AssertionError("only called where they differ")


def _flatten(settings: Document, prefix: str = "") -> Document:
    flat: Document = {}
    for key, value in settings.items():
        nested = isinstance(value, dict)
        flat |= _flatten(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return flat


def _record_of_picture(settings: Settings, sample: PlannedSample) -> SampleRecord | None:
    """Makes a record from the recipe in a picture, in case the record of the run was lost.

    Args:
        settings: Those of the sample.
        sample: What is made.
    """
    name, *beside = planned_names(settings, sample)
    recipe = _read_same_recipe(settings, sample, name)
    if recipe is None:
        return None
    extra = tuple(name for name in beside if (settings.output / name).is_file())
    output = OutputRecord(**dict(recipe.output), seconds=None, path=name, latent=None, extra=extra)
    record = SampleRecord(
        prompt=sample.prompt,
        seed=sample.seed,
        output=name,
        rounds=output.round,
        outputs=(output,),
        seconds=SampleSeconds(encode=0.0, sample=0.0, decode=0.0, total=0.0),
    )
    return with_own(record, settings, sample)


def _read_same_recipe(settings: Settings, sample: PlannedSample, name: str) -> Recipe | None:
    """Reads the recipe in a file; None unless it is for this sample and has the same settings."""
    try:
        recipe = Recipe.read(find_metadata(settings.output / name))
    except ValueError:
        return None
    same = (recipe.prompt, recipe.seed) == (sample.prompt, sample.seed)
    return recipe if same and recipe.pixels() == pixels(settings).pixels() else None


def _is_complete(settings: Settings, sample: SampleRecord) -> bool:
    """Tells whether all files that this run would make for the sample are present."""
    outputs = [output for output in sample.outputs if output.path]
    if not outputs or (settings.all_cores and len(outputs) < len(settings.plan.hits)):
        return False
    return all(_has_all_files(settings, output) for output in outputs)


def _has_all_files(settings: Settings, output: OutputRecord) -> bool:
    """Tells whether an output's files are present to their end."""
    whole = filter(is_whole, _files(settings, output))
    present = {path.suffix.removeprefix(".") for path in whole}
    return present >= set(endings(settings))


def _names_to_write(
    settings: Settings, left: Iterator[PlannedSample], record: RunRecord | None
) -> Iterator[str]:
    """Yields the files of unfinished samples, except those that a resumed run may replace.

    These were made with its settings, are empty, or are cut off and of the record.
    """
    made = record.prompts if record else ()
    recorded = {path.name for one in made for out in one.outputs for path in _files(settings, out)}
    for sample in left:
        own = settings.of(sample)
        for name in planned_names(own, sample):
            file = own.output / name
            ours = file.is_file() and (name in recorded or not file.stat().st_size)
            lost = ours and not is_whole(file)
            if not own.resume or not (lost or _read_same_recipe(own, sample, name)):
                yield name


def _files(settings: Settings, output: OutputRecord) -> list[Path]:
    """Returns where the files of an output are, if they are there."""
    names = (output.path, output.latent, *output.extra)
    return [settings.output / Path(name).name for name in names if name]
