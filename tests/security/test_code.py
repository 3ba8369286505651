"""No way of running what others have written is in the code of this package."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "chords_cli"
FILES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text())
    for path in PACKAGE.rglob("*.py")
}

UNPICKLE = {
    "pickle.loads": {"engine/exchange/meeting.py"},
    "pickle.Unpickler": {"pipelines/conditions/parcel.py"},
    "ForkingPickler.loads": {"engine/hosts/link.py", "engine/hosts/remote.py"},
    "exec": {"models/inputs/strength.py"},
}
"""What unpickles or runs text, and where: behind a seal each time, or diffusers' own source."""

NEVER = {
    *("torch.load", "pickle.load", "marshal.loads", "shelve.open", "eval", "os.system"),
    *("dist.recv_object_list", "dist.broadcast_object_list", "dist.all_gather_object"),
    *("yaml.unsafe_load", "yaml.full_load", "os.popen", "runpy.run_path"),
}


def called(tree: ast.Module) -> set[str]:
    """The names of everything that is called or inherited from, as they are written."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    bases = [base for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for base in n.bases]
    return {ast.unparse(node) for node in (*calls, *bases)}


def test_nothing_is_unpickled_or_run_but_in_places_that_are_known():
    calls = {file: called(tree) for file, tree in FILES.items()}
    found = {name: {file for file in calls if name in calls[file]} for name in {*UNPICKLE, *NEVER}}
    assert {name: files for name, files in found.items() if files} == UNPICKLE


@pytest.mark.parametrize(("keyword", "value"), [("shell", True), ("trust_remote_code", True)])
def test_no_call_has_a_shell_or_trusts_remote_code(keyword, value):
    given = [
        file
        for file, tree in FILES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == keyword
    ]
    assert given == []


def test_yaml_is_loaded_by_the_safe_loader_alone():
    loads = [
        ast.unparse(node)
        for tree in FILES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("yaml.load")
    ]
    assert loads == ["yaml.load(text, Loader=_Loader)"]
    from chords_cli.presets import files

    assert files._Loader.__mro__[1].__name__ == "SafeLoader"
