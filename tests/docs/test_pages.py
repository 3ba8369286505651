"""Pages are short, their links lead somewhere, and what they name is there."""

import inspect
import re
import runpy
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from chords_cli import Chords, ChordsError
from chords_cli.cli.app import COMMANDS, run
from chords_cli.models.memory import preset_memory
from chords_cli.pipelines.load.spec import OFFLOADED
from chords_cli.presets.call import Part
from chords_cli.presets.files import available_presets, load_preset
from chords_cli.presets.schema import Preset
from chords_cli.records.recipe import Recipe, Record
from chords_cli.records.run import OutputRecord, RunRecord, SampleRecord
from chords_cli.ui.format import size
from tests.docs import reference
from tests.docs.pages import PAGES, ROOT, blocks, commands, prose

README = (ROOT / "README.md").read_text()
PRESETS, MODELS = ((ROOT / "docs" / f"{page}.md").read_text() for page in ("presets", "models"))
LONGEST = 125
LONGEST_PAGE = 150

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def keys(record: type[Record]) -> set[str]:
    """The keys of a record in JSON."""
    return {field.alias or name for name, field in record.model_fields.items()}


def named(text: str, before: str) -> set[str]:
    """What the first column of the first table after `before` names."""
    table = text[text.index(before) :].split("|---|", 1)[1].split("\n\n", 1)[0]
    cells = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def keys_within(type: Any) -> Iterator[str]:
    """Yields the keys of the mappings that a type of the schema consists of."""
    if inspect.isclass(type) and issubclass(type, Part):
        for name, field in type.model_fields.items():
            yield field.alias or name
            if name not in Preset.model_fields:  # these have a row of their own
                yield from keys_within(field.annotation)
    for part in get_args(type):
        yield from keys_within(part)


def test_the_readme_is_short_enough_to_be_read():
    assert len(README.splitlines()) <= LONGEST


@pages
def test_a_page_is_short_enough_to_be_read(page):
    assert len(page.read_text().splitlines()) <= LONGEST_PAGE


def test_the_readme_leads_to_every_page():
    for page in PAGES[1:]:
        assert f"(docs/{page.name})" in README


@pages
def test_the_first_sentence_with_a_core_says_what_one_is(page):
    told = re.sub(r"^[|#!].*$|`[^`]+`", "", prose(page.read_text()), flags=re.MULTILINE)
    sentences = re.split(r"(?<=[.:])\s+", " ".join(told.split()))
    first = next((part for part in sentences if re.search(r"\bcores?\b", part.lower())), None)
    assert first is None or "a process with a device" in first.replace("*", "")


@pages
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text()), target


@pages
def test_no_command_hides_in_a_block_that_nobody_runs(page):
    for block in blocks(page.read_text()):
        assert block.language in {"sh", "console", "python", "yaml", "text"}, block.line
        if block.language in {"yaml", "text"}:
            assert block.file, f"line {block.line} shows a file without a name"
    assert not re.search(r"\n\n    \S", prose(page.read_text())), "a block without a fence"


@pages
def test_a_command_and_an_option_that_are_named_exist(page, capsys):
    named = prose(page.read_text())
    known = {command.__name__ for command in COMMANDS}
    assert set(re.findall(r"`chords ([a-z]+)`", named)) <= known
    for command in ("", *sorted(known)):
        assert run([*command.split(), "--help"]) == 0
    assert set(re.findall(r"`(--[a-z-]+)[^`]*`", named)) <= {
        *re.findall(r"--[a-z-]+", capsys.readouterr().out)
    }


def test_the_numbers_of_the_readme_are_measured_ones():
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    measured = set(re.findall(r"\d+\.\d{2,}", prose(README)))
    assert {number for number in measured if number not in results} == set()


def test_the_distances_on_the_page_of_the_algorithm_are_measured_ones():
    results = [ROOT / "benchmarks" / name for name in ("RESULTS.md", "study/HISTORY.md")]
    measured = "".join(result.read_text() for result in results)
    text = prose((ROOT / "docs" / "algorithm.md").read_text())
    assert {number for number in re.findall(r"\b0\.\d{4}", text) if number not in measured} == set()


@pytest.mark.parametrize("figure", ["paths.svg", "corrections.svg"])
def test_a_figure_is_what_its_script_draws(figure):
    script = runpy.run_path(str(ROOT / "docs" / "figures.py"))
    drawn = script["FIGURES"][figure]()
    assert (ROOT / "docs" / figure).read_text() == drawn, "python docs/figures.py"


def test_the_build_of_torch_for_cpus_is_the_tested_version():
    (asked,) = {*re.findall(r"torch==\S+", (ROOT / "docs" / "installing.md").read_text())}
    assert asked in (ROOT / "constraints.txt").read_text().splitlines()


def test_the_page_of_commands_says_what_the_help_says():
    assert reference.PAGE.read_text() == reference.written(), "python -m tests.docs.reference"


def test_the_page_on_presets_names_every_key():
    assert named(PRESETS, "## Every key") == {*Preset.model_fields}


@pytest.mark.parametrize("key", Preset.model_fields)
def test_the_page_on_presets_names_every_key_within_a_key(key):
    table = PRESETS.split("## Every key")[1].split("##")[0]
    (row,) = re.findall(rf"^\| [^|]*`{key}`[^|]*(\| .+)$", table, re.MULTILINE)
    said = {word for span in re.findall(r"`([^`]+)`", row) for word in re.findall(r"[\w-]+", span)}
    assert {*keys_within(Preset.model_fields[key].annotation)} - said == set()


@pytest.mark.parametrize(
    "file",
    [file for file in available_presets() if file.origin == "shipped"],
    ids=lambda file: file.name,
)
def test_the_page_of_models_has_a_row_for_each_with_its_licence_and_its_memory(file):
    preset = load_preset(file.file)
    rows = re.findall(r"^\| `(.+)` \| .+ \| (.+) \| (.+) \| (.+) \|$", MODELS, re.MULTILINE)
    (row,) = (values for name, *values in rows if name == preset.name)
    assert row[0] == preset.license.name.removesuffix(" License") + ", gated" * preset.license.gated
    if preset.repo:
        held = {k: v for k, v in preset_memory(preset, None)[0]["components"].items() if k != "vae"}
        denoisers = sum(held[name] for name in held if not name.startswith(OFFLOADED))
        assert row[1:] == [size(sum(held.values())), size(denoisers)]


@pytest.mark.parametrize(
    ("record", "before"),
    [
        (RunRecord, "A dry run has the same keys"),
        (SampleRecord, "An entry of `prompts`"),
        (OutputRecord, "And one of its `outputs`"),
        (Recipe, "## Inside the files"),
    ],
)
def test_the_page_on_records_names_every_key(record, before):
    text = (ROOT / "docs" / "records.md").read_text()
    assert named(text, before) == keys(record)


def test_the_page_on_python_names_every_keyword():
    with pytest.raises(ChordsError) as refused:
        Chords(zzz=1)
    keywords = {*str(refused.value.hint).removeprefix("choose from ").split(", ")} - {"model"}
    text = (ROOT / "docs" / "python.md").read_text()
    assert {name.partition("=")[0] for name in named(text, "Keywords are")} == keywords


TYPED = """# A
`chords plan`, `chords plan --cores 2`

```sh
# note
chords image \\
    a  # b

hf auth login  # by hand: why
```
```console
$ chords plan
x

$ chords
```
"""


def test_commands_are_read_as_they_are_typed():
    assert [(one.line, one.text, one.by_hand, one.answer) for one in commands(TYPED)] == [
        (2, "chords plan --cores 2", None, None),
        (6, "chords image     a  # b", None, None),
        (9, "hf auth login", "why", None),
        (12, "chords plan", None, "x"),
        (15, "chords", None, None),
    ]
