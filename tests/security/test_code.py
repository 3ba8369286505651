"""No way of running what others have written is in the code of this package."""

import ast
import functools
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "chords_cli"

UNPICKLE = {
    "pickle.loads": {"engine/exchange/meeting.py"},
    "pickle.Unpickler": {"pipelines/conditions/parcel.py"},
    "multiprocessing.reduction.ForkingPickler.loads": {
        "engine/hosts/link.py",
        "engine/hosts/remote.py",
    },
    "exec": {"models/inputs/strength.py"},
}
"""What unpickles or runs text, and where: behind a seal each time, or diffusers' own source."""

PIPES = {
    *("engine/start.py", "engine/processes.py", "engine/worker.py", "engine/walk.py"),
    *("engine/watch/blame.py", "engine/watch/pulse.py", "engine/hosts/serving.py"),
    "engine/exchange/trials/trying.py",
}
"""Who receives, and so unpickles, from a pipe between the processes of a run."""

NEVER = {
    *("torch.load", "pickle.load", "marshal.loads", "shelve.open", "eval", "os.system"),
    *("torch.distributed.recv_object_list", "torch.distributed.broadcast_object_list"),
    *("torch.distributed.all_gather_object", "torch.distributed.scatter_object_list"),
    *("yaml.unsafe_load", "yaml.full_load", "os.popen", "runpy.run_path"),
}


@functools.cache
def files() -> dict[str, ast.Module]:
    """The source of every file of the package."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text())
        for path in PACKAGE.rglob("*.py")
    }


def called(tree: ast.AST) -> set[str]:
    """The full names of everything that is called or inherited from, however it was imported."""
    known = dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {one.asname: one.name for one in node.names if one.asname}
        elif isinstance(node, ast.ImportFrom):
            known |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    bases = [base for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for base in n.bases]
    names = (ast.unparse(node).partition(".") for node in (*calls, *bases))
    return {"".join([known.get(first, first), dot, rest]) for first, dot, rest in names}


def callers(*names: str) -> dict[str, set[str]]:
    """The files that call something, by its name; none without a caller."""
    found = {
        name: {file for file, calls in all_called().items() if name in calls} for name in names
    }
    return {name: files for name, files in found.items() if files}


@functools.cache
def all_called() -> dict[str, set[str]]:
    """What every file of the package calls."""
    return {file: called(tree) for file, tree in files().items()}


def test_nothing_is_unpickled_or_run_but_in_places_that_are_known():
    assert callers(*UNPICKLE, *NEVER) == UNPICKLE


def test_pipes_are_received_from_in_places_that_are_known():
    receive = {
        file
        for file, tree in files().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and not node.args and ast.unparse(node).endswith(".recv()")
    }
    assert receive == PIPES


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\npickle.loads(b'')",
        "from pickle import loads\nloads(b'')",
        "from pickle import loads as read\nread(b'')",
        "import pickle as p\np.loads(b'')",
    ],
)
def test_whoever_unpickles_is_found_however_it_was_imported(text):
    assert called(ast.parse(text)) == {"pickle.loads"}


def test_the_hub_is_asked_by_those_that_the_page_names():
    assert callers("chords_cli.hub.client.Hub") == {
        "chords_cli.hub.client.Hub": {
            "runs/download/run.py",  # download, --download, download --dry-run
            "runs/download/catalogue.py",  # download --dry-run
            "runs/download/verify.py",  # presets --verify
        }
    }


def test_programs_are_started_by_the_one_who_hides_the_secrets():
    start = {
        name for calls in all_called().values() for name in calls if name.startswith("subprocess.")
    }
    assert start == {"subprocess.run", "subprocess.Popen"}
    assert callers(*start) == {name: {"tools.py"} for name in start}
    assert callers("imageio_ffmpeg.get_ffmpeg_exe") == {
        "imageio_ffmpeg.get_ffmpeg_exe": {"tools.py"}
    }


@pytest.mark.parametrize(("keyword", "value"), [("shell", True), ("trust_remote_code", True)])
def test_no_call_has_a_shell_or_trusts_remote_code(keyword, value):
    given = [
        file
        for file, tree in files().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == keyword
    ]
    assert given == []


def test_yaml_is_loaded_by_the_safe_loader_alone():
    loads = [
        ast.unparse(node)
        for tree in files().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("yaml.load")
    ]
    assert loads == ["yaml.load(text, Loader=_Loader)"]
    from chords_cli.presets.files import _Loader

    assert _Loader.__mro__[1].__name__ == "SafeLoader"
