"""What an output folder already holds, and so what is left to do and what must not be touched.

A sample is done when the folder's record, or the metadata of the picture that has its name, says
that it was made with the same settings, and its files are present.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from chords_cli.errors import UsageError
from chords_cli.media.metadata import find_metadata
from chords_cli.records.recipe import Document, Recipe
from chords_cli.records.run import OutputRecord, RunRecord, SampleRecord, SampleSeconds
from chords_cli.runs.generate.record import JOURNAL, RECORD, read_journal
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.outputs.recipe import pixels
from chords_cli.runs.outputs.saving import planned_names
from chords_cli.runs.settings.output_folder import check_free, check_writable
from chords_cli.runs.settings.request import Request
from chords_cli.runs.settings.resolve import Settings
from chords_cli.runs.settings.samples import PlannedSample

_OTHERS = "made with other settings or by something else"


@dataclass(slots=True)
class Earlier:
    """What earlier runs left.

    Attributes:
        done: By number, the record of every sample that need not be made again.
        others: Records of samples that this run does not have.
        record: All of the earlier record.
    """

    done: dict[int, SampleRecord] = field(default_factory=dict)
    others: list[SampleRecord] = field(default_factory=list)
    record: RunRecord | None = None


def look_back(settings: Settings) -> Earlier:
    """Finds what the output folder holds of this run; refuses to write over anything else.

    Raises:
        UsageError: The folder cannot be written, or holds files that this run may not replace.
    """
    check_writable(settings.output)
    earlier = _done_before(settings) if settings.resume else Earlier()
    if not settings.overwrite:
        left = (sample for sample in settings.samples if sample.number not in earlier.done)
        names = list(_in_the_way(settings, left))
        if settings.resume:
            check_free(settings.output, names, why=_OTHERS)
        else:
            check_free(settings.output, [RECORD, JOURNAL, *names], resumable=True)
    return earlier


def with_what_is_recorded(request: Request) -> Request:
    """Fills in prompts, seed and number from the folder's record, where no prompt is given.

    Raises:
        UsageError: The folder's record cannot be read.
    """
    given = request.prompts or request.prompt_file or request.from_metadata
    record = None if given or request.output is None else _read_record(request.output)
    if record is None:
        return request
    settings = record.settings
    prompts = settings.prompts or tuple(dict.fromkeys(made.prompt for made in record.prompts))
    return replace(
        request,
        prompts=prompts,
        seed=settings.seed if request.seed is None else request.seed,
        num=settings.num if request.num == 1 else request.num,
    )


def _done_before(settings: Settings) -> Earlier:
    record = _read_record(settings.output)
    changed = _changed(record, settings) if record else ""
    if record and changed:
        others = record.cores != settings.plan.cores  # on other devices, maybe, by default
        raise UsageError(
            f"{settings.output} was made with other settings: {changed}",
            ("add {cores} to go on, or " if others else "")
            + "choose another {output}, or give {overwrite} in place of {resume} to make all again",
            {"cores": record.cores, "output": None, "overwrite": True, "resume": True},
        )
    known: dict[tuple[str, int], list[SampleRecord]] = defaultdict(list)
    for made in record.prompts if record else ():
        known[made.prompt, made.seed].append(made)
    done: dict[int, SampleRecord] = {}
    for sample in settings.samples:
        same = known[sample.prompt, sample.seed]
        found = same.pop(0) if same else _record_of_picture(settings, sample)
        if found and _is_complete(settings, found):
            done[sample.number] = found
    return Earlier(done, [made for same in known.values() for made in same], record)


def _read_record(folder: Path) -> RunRecord | None:
    """Reads the record with what the journal adds to it: of every file the latest word."""
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = RunRecord.model_validate_json(path.read_bytes())
        made = {sample.output: sample for sample in (*record.prompts, *read_journal(folder))}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} is not a record of chords",
            "choose another {output}, or remove that file",
            {"output": None},
        ) from error
    return record.model_copy(update={"prompts": tuple(made.values())})


def _changed(record: RunRecord, settings: Settings) -> str:
    """Names the first setting that differs, with both values, and how many more do."""
    then, new = _flat(record.settings.pixels()), _flat(pixels(settings).pixels())
    differ = [key for key in {**new, **then} if then.get(key) != new.get(key)]
    if not differ:
        return ""
    more = f", and {len(differ) - 1} more" if len(differ) > 1 else ""
    option = differ[0].removeprefix("planned_")
    return f"{option} was {then.get(differ[0])}, is {new.get(differ[0])}{more}"


def _flat(settings: Document, prefix: str = "") -> Document:
    flat: Document = {}
    for key, value in settings.items():
        inner = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if inner else {prefix + key: value}
    return flat


def _record_of_picture(settings: Settings, sample: PlannedSample) -> SampleRecord | None:
    """Makes a record from a picture's own recipe, for where the run's was lost."""
    name, *beside = planned_names(settings, sample)
    recipe = _same(settings, sample, name)
    if recipe is None:
        return None
    extra = tuple(name for name in beside if (settings.output / name).is_file())
    output = OutputRecord(**dict(recipe.output), seconds=None, path=name, latent=None, extra=extra)
    return SampleRecord(
        prompt=sample.prompt,
        seed=sample.seed,
        output=name,
        rounds=output.round,
        outputs=(output,),
        seconds=SampleSeconds(encode=0.0, sample=0.0, decode=0.0, total=0.0),
    )


def _same(settings: Settings, sample: PlannedSample, name: str) -> Recipe | None:
    """Returns the recipe in that file if it says that the file is of the same sample."""
    try:
        recipe = Recipe.read(find_metadata(settings.output / name))
    except ValueError:
        return None
    same = (recipe.prompt, recipe.seed) == (sample.prompt, sample.seed)
    return recipe if same and recipe.pixels() == pixels(settings).pixels() else None


def _is_complete(settings: Settings, made: SampleRecord) -> bool:
    """Whether all files are present that this run would make."""
    outputs = [output for output in made.outputs if output.path]
    if not outputs or (settings.all_cores and len(outputs) < len(settings.plan.hits)):
        return False
    return all(_has_all_files(settings, output) for output in outputs)


def _has_all_files(settings: Settings, output: OutputRecord) -> bool:
    names = (output.path, output.latent, *output.extra)
    paths = [settings.output / Path(name).name for name in names if name]
    present = {path.suffix.removeprefix(".") for path in paths if path.is_file()}
    return present >= set(endings(settings))


def _in_the_way(settings: Settings, left: Iterator[PlannedSample]) -> Iterator[str]:
    """Yields the files of unfinished samples that are not known to be the same."""
    for sample in left:
        for name in planned_names(settings, sample):
            if not settings.resume or _same(settings, sample, name) is None:
                yield name
