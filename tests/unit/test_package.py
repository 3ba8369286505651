"""What is shipped: the wheel holds all that it needs, and the project's files agree."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import chords_cli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_DEVELOPERS = ("dev", "benchmarks")

NOT_PINNED = "torchvision"
"""Pictures get other bits with it, so that the verified environment does without."""

LOOK_FOR_PRESETS = """
import json, chords_cli
from chords_cli.presets.files import available_presets, load_preset
found = {}
for preset in available_presets():
    if preset.origin == "shipped":
        path = load_preset(preset.file).path
        weights = path and [file.name for file in path.rglob("*.safetensors")]
        found[preset.name] = {"path": path and str(path), "weights": weights}
print(json.dumps({"package": chords_cli.__file__, "presets": found}))
"""


def run(*command: str, **settings) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(folder: Path, *kinds: str) -> Path:
    """Builds into `folder`: a source distribution and a wheel of it, unless `kinds` say other."""
    line = ("-m", "build", *kinds, "--no-isolation", "--outdir", str(folder), str(ROOT))
    run(sys.executable, *line, env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (made,) = built.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    install = ("-m", "pip", "install", "--no-deps", "--no-index", "--target", str(folder))
    run(sys.executable, *install, str(wheel))
    return folder


def elsewhere(installed: Path, *arguments: str) -> str:
    """Runs the installed package's python in a folder from which the checkout is not seen."""
    environment = {"PYTHONPATH": str(installed), "PATH": "", "HOME": str(installed)}
    return run(sys.executable, "-P", *arguments, cwd=installed.parent, env=environment)


@pytest.mark.slow
def test_version_is_that_of_the_package(wheel):
    assert re.fullmatch(r"\d+\.\d+\.\d+", chords_cli.__version__)
    assert wheel.name == f"chords_cli-{chords_cli.__version__}-py3-none-any.whl"


@pytest.mark.slow
def test_wheel_holds_the_package_and_every_preset_file_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in names if name.startswith("chords_cli/_presets/")}
    files = [path for path in (ROOT / "presets").rglob("*") if path.is_file()]
    assert shipped == {f"chords_cli/_{path.relative_to(ROOT).as_posix()}" for path in files}
    assert {name.split("/")[0] for name in names} == {
        "chords_cli",
        f"chords_cli-{chords_cli.__version__}.dist-info",
    }
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "chords_cli").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == package
    assert "chords_cli/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_two_builds_have_the_same_bytes_also_without_the_archive_between(built, tmp_path):
    again = build(tmp_path, "--wheel", "--sdist")
    assert contents(again) == contents(built)


@pytest.mark.slow
def test_a_source_distribution_holds_all_that_is_tracked_and_nothing_made(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not {name for name in names if re.search(r"__pycache__|\.pyc$|^(build|\.gpu)/", name)}
    if (ROOT / ".git").exists():
        tracked = run("git", "-C", str(ROOT), "ls-files", "-z").strip("\0").split("\0")
        assert {name for name in tracked if (ROOT / name).exists()} <= names


@pytest.mark.slow
def test_installed_wheel_finds_its_presets_and_weights_without_the_checkout(installed):
    found = json.loads(elsewhere(installed, "-c", LOOK_FOR_PRESETS))
    assert Path(found["package"]).is_relative_to(installed)
    assert found["presets"].keys() == {file.stem for file in (ROOT / "presets").glob("*.yaml")}
    for name, preset in found["presets"].items():
        if preset["path"] is not None:
            assert Path(preset["path"]).is_relative_to(installed / "chords_cli/_presets"), name
            assert preset["weights"], f"{name} has no weights"


@pytest.mark.slow
def test_installed_wheel_has_the_command(installed):
    (script,) = (installed / "bin").iterdir()
    assert script.name == "chords"
    said = elsewhere(installed, "-m", "chords_cli", "--version")
    assert chords_cli.__version__ in said


def test_constraints_pin_every_dependency_to_one_version():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    pinned = dict(pin.split("==") for pin in pins)
    assert list(pinned) == sorted(pinned)
    for wanted in map(Requirement, sum(EXTRAS.values(), start=PROJECT["dependencies"])):
        if wanted.name not in (PROJECT["name"], NOT_PINNED):
            assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, wanted


def test_all_is_every_extra_that_users_may_want():
    (line,) = map(Requirement, EXTRAS["all"])
    assert line.name == PROJECT["name"]
    assert line.extras == EXTRAS.keys() - {"all", "edit", *FOR_DEVELOPERS}
    assert EXTRAS["edit"] == [f"{PROJECT['name']}[qwen]"]


def test_hints_and_pages_name_extras_that_exist():
    files = [
        *(ROOT / "chords_cli").rglob("*.py"),
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
    ]
    text = "\n".join(file.read_text() for file in files)
    lists = re.findall(r"chords-cli\[([\w,-]+)\]", text)
    named = {name for names in lists for name in names.split(",")}
    assert {"lora", "heic", "qwen"} <= named <= EXTRAS.keys()


def test_changelog_begins_with_what_is_unreleased():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "[Unreleased]"


def test_the_page_on_installing_names_the_oldest_versions():
    page = " ".join((ROOT / "docs" / "installing.md").read_text().split())
    for wanted in map(Requirement, PROJECT["dependencies"]):
        if wanted.name in ("torch", "diffusers", "transformers"):
            (oldest,) = re.findall(r">=([\d.]+)", str(wanted.specifier))
            assert f"{wanted.name} {oldest}" in page
    pythons = re.findall(r":: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert f"Python {pythons[0]} to {pythons[-1]}" in page
