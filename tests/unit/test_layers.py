"""Which layer may know what, and how long anything may be (the tree is read, not imported)."""

import ast
import functools
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "chords_cli"
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

OWNERS = {
    "torch.distributed": "engine/exchange/",
    "rich": "ui/",
    "diffusers": "pipelines/",
    "transformers": "pipelines/",
    "yaml": "presets/files.py",
    "typer": "cli/",
    "huggingface_hub": "hub/",
    "jinja2": "ui/page/page.py",
    "skimage": "media/metrics.py",
}
"""Who alone may import a library: one file or one folder."""

EVERYTHING = "cli engine events hub media models pipelines presets records runs sampler ui"

FORBIDDEN = {
    "errors.py": f"torch numpy {EVERYTHING}",
    "tools.py": f"torch numpy {EVERYTHING}",
    "events.py": "torch numpy cli engine hub media models pipelines presets records runs ui",
    "sampler/": "cli engine events hub media models pipelines presets records runs ui",
    "records/": "torch numpy cli engine events hub media models pipelines presets runs ui",
    "presets/": "torch cli engine events hub media models pipelines records runs ui",
    "hub/": "torch cli engine media models pipelines presets records runs ui",
    "media/": "cli engine hub models pipelines presets.schema presets.files records runs ui",
    "pipelines/": "cli engine hub media models presets records runs ui",
    "engine/": "cli hub media models presets records runs ui",
    "models/": "torch cli engine events records runs ui pipelines.chain pipelines.solver",
    "runs/inputs/": "torch cli engine events hub media records ui runs.settings runs.outputs"
    " runs.generate runs.compare runs.download runs.doctor",
    "runs/settings/": "cli ui runs.outputs runs.generate runs.compare runs.download runs.doctor",
    "runs/outputs/": "cli ui runs.generate runs.compare runs.download runs.doctor",
    "runs/generate/": "cli ui runs.compare runs.download runs.doctor",
    "runs/compare/": "cli ui runs.download runs.doctor",
    "runs/download/": "torch cli ui engine pipelines runs.settings runs.generate runs.compare"
    " runs.doctor",
    "runs/doctor/": "torch cli ui runs.compare runs.download",
    "ui/live/": "torch cli engine hub models pipelines presets records runs ui.views ui.page",
    "ui/views/": "torch cli engine events pipelines runs ui.live ui.page",
    "ui/page/": "torch cli engine events pipelines runs ui.live ui.views",
    "ui/": "torch cli engine events hub models pipelines presets records runs ui.views ui.page",
    "api.py": "torch cli ui pipelines",
    "sample.py": "torch cli ui pipelines hub models sampler runs.generate api",
    "cli/": "torch pipelines",
}
"""What a layer must not import: what lies above it or beside it, and torch where no command that
only answers a question may load it. The longest row that fits a file counts. Names without a
library of that name are our own."""

NAMES = "pipelines/load/spec.py"
"""Names of torch and diffusers, and plain data: any layer that the table lets know nothing of
pipelines may know them."""

STDLIB_ONLY = (*(f"sampler/{name}.py" for name in ("choice", "plan", "starts", "stop")), NAMES)
PLAIN = sys.stdlib_module_names | {"chords_cli"}

LONGEST_BODY = 40
LONGEST_FILE = 300
MOST_UNTYPED = 40
"""How often a dictionary of anything may be named: where YAML, JSON or diffusers begins."""

MOST_TINY = 20
"""How many private functions may be called once and have no more than three lines."""

MOST_FILES = 15
MOST_NAMING_AN_OPTION = 6


@functools.cache
def parsed(source: str) -> ast.Module:
    """The tree of a file that several tests read and none changes."""
    return ast.parse(source)


class RunningCode(ast.NodeTransformer):
    """Drops what only type checkers read: knowing a type is no dependency."""

    def visit_If(self, node: ast.If) -> ast.AST:
        only_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return ast.Pass() if only_types else self.generic_visit(node)


@functools.cache
def imported(source: str) -> frozenset[str]:
    """Every module that runs as an import anywhere, `from a import b` as both `a` and `a.b`."""
    return frozenset(_imported(source))


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(RunningCode().visit(ast.parse(source))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, names=names, level=0) if module:
                yield module
                yield from (f"{module}.{name.name}" for name in names)
            case ast.ImportFrom():
                yield "a relative import"
            case ast.Attribute(value=ast.Name(id="torch"), attr="distributed"):
                yield "torch.distributed"


def within(name: str, module: str) -> bool:
    """Whether `name` is `module` or lies in it."""
    return f"{name}.".startswith(f"{module}.")


def forbidden(file: str) -> list[str]:
    """The modules that `file` must not import, by their full names."""
    libraries = [module for module, owner in OWNERS.items() if not file.startswith(owner)]
    layer = max((layer for layer in FORBIDDEN if file.startswith(layer)), key=len, default=None)
    names = FORBIDDEN[layer].split() if layer else []
    return libraries + [n if n in ("torch", "numpy") else f"chords_cli.{n}" for n in names]


def violations(file: str, source: str) -> list[str]:
    """What `file` (relative to the package) imports although it must not."""
    names = sorted(imported(source))
    names = [name for name in names if not within(name, module_of(NAMES))]
    found = [name for name in names if any(within(name, module) for module in forbidden(file))]
    if file in STDLIB_ONLY:
        found += [name for name in names if name.split(".")[0] not in PLAIN]
    return found + [name for name in names if name == "a relative import"]


def body_lengths(source: str) -> Iterator[tuple[str, int]]:
    """Every function with the number of lines below its signature and docstring."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("file", FILES)
def test_file_imports_nothing_that_its_layer_must_not_know(file):
    assert violations(file, (PACKAGE / file).read_text()) == []


def module_of(file: str) -> str:
    """The name by which `file` is imported."""
    return ".".join(["chords_cli", *Path(file).with_suffix("").parts]).removesuffix(".__init__")


def own_imports(source: str, modules: set[str]) -> set[str]:
    """Our own modules that `source` names in an import anywhere, for types too."""
    found = set()
    for node in ast.walk(parsed(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            while name and name not in modules:
                name = name.rpartition(".")[0]
            found.add(name)
    return found - {"", "chords_cli"}


def circles(sources: dict[str, str]) -> list[list[str]]:
    """Modules that import each other in the end, sorted; `sources` by module."""
    modules = set(sources)
    reach = {name: own_imports(source, modules) - {name} for name, source in sources.items()}
    for _ in modules:
        wider = {
            name: near.union(*(reach[other] for other in near)) for name, near in reach.items()
        }
        if wider == reach:
            break
        reach = wider
    within_circles = [name for name in modules if name in reach[name]]
    groups = {tuple(sorted(o for o in reach[n] if n in reach[o])) for n in within_circles}
    return [list(group) for group in sorted(groups)]


def test_no_modules_import_each_other_not_even_for_types_or_inside_functions():
    assert circles({module_of(file): (PACKAGE / file).read_text() for file in FILES}) == []


@pytest.mark.parametrize(
    "back",
    [
        "from chords_cli.b import thing",
        "from chords_cli import b",
        "def late():\n    import chords_cli.b",
        "if TYPE_CHECKING:\n    from chords_cli.b import Thing",
    ],
)
def test_a_circle_is_found(back):
    sources = {
        "chords_cli": "",
        "chords_cli.a": back,
        "chords_cli.b": "from chords_cli.c import thing",
        "chords_cli.c": "import chords_cli.a",
        "chords_cli.d": "from chords_cli.a import thing",
    }
    assert circles(sources) == [["chords_cli.a", "chords_cli.b", "chords_cli.c"]]


@pytest.mark.parametrize("file", FILES)
def test_file_stays_short(file):
    source = (PACKAGE / file).read_text()
    assert len(source.splitlines()) <= LONGEST_FILE
    assert {name: lines for name, lines in body_lengths(source) if lines > LONGEST_BODY} == {}


@pytest.mark.parametrize("file", FILES)
def test_file_says_why_it_exists(file):
    assert ast.get_docstring(parsed((PACKAGE / file).read_text()))


def test_untyped_dictionaries_stay_at_the_borders():
    held = {file: (PACKAGE / file).read_text().count("dict[str, Any]") for file in FILES}
    assert sum(held.values()) <= MOST_UNTYPED, {file: n for file, n in held.items() if n}


def test_an_option_is_named_in_few_files():
    """One stands for all: a frame rate, from its declaration to the file that has it."""
    naming = [file for file in FILES if re.search(r"\bfps\b", (PACKAGE / file).read_text())]
    assert len(naming) <= MOST_NAMING_AN_OPTION, naming


def tiny_functions(source: str) -> list[str]:
    """Private functions of at most three lines that one place alone names."""
    tree = parsed(source)
    named = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    named.update(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    plain = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and not node.decorator_list
    }
    return [
        name
        for name, lines in body_lengths(source)
        if re.match(r"_[a-z]", name) and name in plain and lines <= 3 and named[name] == 1
    ]


def test_few_functions_are_so_short_that_one_has_to_jump_for_three_lines():
    sources = {file: (PACKAGE / file).read_text() for file in FILES}
    tiny = [f"{file}: {name}" for file in FILES for name in tiny_functions(sources[file])]
    assert len(tiny) <= MOST_TINY, tiny


def test_a_tiny_function_is_found():
    source = "def _tiny(a):\n    return a\n\n\ndef _used(a):\n    return a\n\n\n"
    assert tiny_functions(source + "_tiny(_used(_used(1)))") == ["_tiny"]


def test_there_are_files_to_read():
    assert "sampler/plan.py" in FILES


def test_no_layer_is_missing_from_the_table():
    layers = {file.split("/")[0] + "/" if "/" in file else file for file in FILES}
    known = {layer.split("/")[0] + "/" if "/" in layer else layer for layer in FORBIDDEN}
    assert layers - {"__init__.py", "__main__.py"} == known


def test_every_folder_says_what_it_is():
    folders = {Path(file).parent.as_posix() for file in FILES} - {"."}
    assert [folder for folder in sorted(folders) if f"{folder}/__init__.py" not in FILES] == []


def test_nothing_lies_in_runs_but_its_folders():
    assert [file for file in FILES if Path(file).parent == Path("runs")] == ["runs/__init__.py"]


def test_no_folder_holds_more_files_than_one_can_survey():
    folders = {Path(file).parent for file in FILES}
    held = {folder: sum(Path(file).parent == folder for file in FILES) for folder in folders}
    assert {str(folder): count for folder, count in held.items() if count > MOST_FILES} == {}


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith("/__init__.py")])
def test_a_folder_says_in_two_sentences_what_belongs_there_and_what_does_not(file):
    text = ast.get_docstring(parsed((PACKAGE / file).read_text())) or ""
    assert len(re.findall(r"[.?](?:\s|$)", text)) >= 2
    assert re.search(r"\b(not|nothing|no|neither)\b", text, re.IGNORECASE)


def test_files_that_own_a_library_or_are_plain_exist_under_these_names():
    for file in STDLIB_ONLY:
        assert file in FILES
    owners = [owner for owner in OWNERS.values() if owner.endswith(".py")]
    assert [owner for owner in owners if owner not in FILES] == []


@pytest.mark.parametrize(
    ("file", "source", "name"),
    [
        ("engine/worker.py", "import torch.distributed as dist", "torch.distributed"),
        ("engine/worker.py", "from torch import distributed", "torch.distributed"),
        ("engine/worker.py", "import torch\ntorch.distributed.barrier()", "torch.distributed"),
        ("runs/generate/run.py", "from rich.live import Live", "rich.live"),
        ("runs/generate/run.py", "def run():\n    import diffusers", "diffusers"),
        ("cli/image.py", "import yaml", "yaml"),
        ("ui/live/watching.py", "import typer", "typer"),
        ("presets/files.py", "from huggingface_hub import hf_hub_download", "huggingface_hub"),
        ("cli/plan.py", "import torch", "torch"),
        ("sampler/plan.py", "import numpy", "numpy"),
        ("sampler/stop.py", "from torch import Tensor", "torch"),
        ("sampler/chords.py", "from chords_cli.engine import pool", "chords_cli.engine"),
        (
            "engine/pool.py",
            "from chords_cli.runs.settings.options.request import Request",
            "chords_cli.runs",
        ),
        ("pipelines/chain.py", "from chords_cli import presets", "chords_cli.presets"),
        ("errors.py", "from chords_cli.sampler import Plan", "chords_cli.sampler"),
        ("runs/generate/record.py", "from . import generate", "a relative import"),
    ],
)
def test_a_forbidden_import_is_found(file, source, name):
    assert any(found.startswith(name) for found in violations(file, source))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("engine/exchange/line.py", "import torch.distributed as dist"),
        ("sampler/chords.py", "from torch import Tensor"),
        ("sampler/plan.py", "from chords_cli.errors import PlanError"),
        (
            "cli/image.py",
            "import typer\nfrom chords_cli.runs.settings.options.request import Request",
        ),
        ("ui/live/watching.py", "from rich.live import Live\nfrom chords_cli.events import Event"),
        ("runs/generate/run.py", "from chords_cli.engine.pool import Pool\nimport torchvision"),
        ("cli/image.py", "if TYPE_CHECKING:\n    from torch import Tensor"),
    ],
)
def test_an_import_of_what_lies_below_is_allowed(file, source):
    assert violations(file, source) == []


def test_a_long_function_is_measured_without_its_docstring():
    source = 'def long():\n    """One.\n\n    Two.\n    """\n' + "    print()\n" * 51
    assert list(body_lengths(source)) == [("long", 51)]
