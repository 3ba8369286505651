"""What an output folder already holds, and so what is left to do and what must not be touched.

A sample is done when the folder's record, or the metadata of the picture that has its name, says
that it was made with the same settings, and its files are present.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.media.metadata import find_metadata
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.outputs.recipe import SCHEMA, pixels
from chords_cli.runs.outputs.saving import planned_names
from chords_cli.runs.settings.output_folder import check_free, check_writable
from chords_cli.runs.settings.resolve import Settings
from chords_cli.runs.settings.samples import PlannedSample

RECORD = "run.json"

_OTHERS = "made with other settings or by something else"

Entry = dict[str, Any]


@dataclass(slots=True)
class Earlier:
    """What earlier runs left.

    Attributes:
        done: By number, the record's entry of every sample that need not be made again.
        others: Entries of samples that this run does not have.
        record: All of the earlier record; empty when there is none.
    """

    done: dict[int, Entry] = field(default_factory=dict)
    others: list[Entry] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)


def look_back(settings: Settings) -> Earlier:
    """What the output folder holds of this run; refuses it where it would be written over.

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
            check_free(settings.output, [RECORD, *names], resumable=True)
    return earlier


def _done_before(settings: Settings) -> Earlier:
    earlier = Earlier(record=_read_record(settings.output / RECORD))
    changed = _changed(earlier.record, pixels(settings)) if earlier.record else ""
    if changed and not settings.overwrite:
        raise UsageError(
            f"{settings.output} was made with other settings: {changed}",
            _way_on(settings, earlier.record),
        )
    earlier.others = [] if changed else list(earlier.record.get("prompts", []))
    for sample in settings.samples:
        entry = _pop_entry(earlier.others, sample) or _entry_of_picture(settings, sample)
        if entry and _is_complete(settings, entry):
            earlier.done[sample.number] = entry
    return earlier


def _way_on(settings: Settings, record: Mapping[str, Any]) -> str:
    """What to type; on another number of devices a run may have taken other cores by itself."""
    other = "choose another --output, or add --overwrite to make all of it again"
    cores = record.get("cores")
    return other if cores == settings.plan.cores else f"add --cores {cores} to go on, or {other}"


def _read_record(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA or not isinstance(record["settings"], dict):
            raise ValueError("another kind of document")
        if not all(isinstance(entry["output"], str) for entry in record["prompts"]):
            raise ValueError("an entry without its file")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is not a record of chords", "choose another --output, or remove that file"
        ) from error
    return record


def _changed(record: dict[str, Any], now: dict[str, Any]) -> str:
    """The first setting that differs, with both values, and how many more do."""
    then, new = _flat({key: record["settings"].get(key) for key in now}), _flat(now)
    differ = [key for key in {**new, **then} if then.get(key) != new.get(key)]
    if not differ:
        return ""
    more = f", and {len(differ) - 1} more" if len(differ) > 1 else ""
    return f"{differ[0]} was {then.get(differ[0])}, is {new.get(differ[0])}{more}"


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        inner = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if inner else {prefix + key: value}
    return flat


def _pop_entry(entries: list[Entry], sample: PlannedSample) -> Entry | None:
    for entry in entries:
        if (entry.get("prompt"), entry.get("seed")) == (sample.prompt, sample.seed):
            entries.remove(entry)
            return entry
    return None


def _entry_of_picture(settings: Settings, sample: PlannedSample) -> Entry | None:
    """An entry made from a picture's own metadata, for where the record was lost."""
    name = planned_names(settings, sample)[0]
    found = find_metadata(settings.output / name)
    if not found or not _agrees(found, settings, sample) or not isinstance(found["output"], dict):
        return None
    extra = [n for n in planned_names(settings, sample)[1:] if (settings.output / n).is_file()]
    files = {"path": name, "latent": None, "extra": extra}
    output = {**found["output"], "seconds": None, **files}
    return {
        "prompt": sample.prompt,
        "seed": sample.seed,
        "output": name,
        "rounds": output.get("round"),
        "outputs": [output],
        "seconds": dict.fromkeys(("encode", "sample", "decode", "total"), 0.0),
    }


def _agrees(found: dict[str, Any], settings: Settings, sample: PlannedSample) -> bool:
    wanted = {**pixels(settings), "prompt": sample.prompt, "seed": sample.seed}
    return "output" in found and all(found.get(key) == wanted[key] for key in wanted)


def _is_complete(settings: Settings, entry: Entry) -> bool:
    """Whether all files are there that this run would make."""
    outputs = [output for output in entry.get("outputs", []) if output.get("path")]
    if not outputs or (settings.all_cores and len(outputs) < len(settings.plan.hits)):
        return False
    return all(_has_all_files(settings, output) for output in outputs)


def _has_all_files(settings: Settings, output: dict[str, Any]) -> bool:
    names = (output["path"], output.get("latent"), *output.get("extra", ()))
    paths = [settings.output / Path(name).name for name in names if name]
    there = {path.suffix.removeprefix(".") for path in paths if path.is_file()}
    return there >= set(endings(settings))


def _in_the_way(settings: Settings, left: Iterator[PlannedSample]) -> Iterator[str]:
    """The files of unfinished samples that do not say of themselves that they are the same."""
    for sample in left:
        for name in planned_names(settings, sample):
            found = find_metadata(settings.output / name) if settings.resume else None
            if not found or not _agrees(found, settings, sample):
                yield name
