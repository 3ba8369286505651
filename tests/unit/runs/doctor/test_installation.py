"""What is said of Python and of packages, in range and out of it."""

from email.message import Message

import pytest
from packaging.specifiers import SpecifierSet

from chords_cli.errors import ChordsError
from chords_cli.runs.doctor import installation
from chords_cli.runs.doctor.installation import (
    Needs,
    Package,
    check_extras,
    check_packages,
    check_python,
    find_package,
    read_needs,
)

NEEDS = Needs(version="0.1.0", python=SpecifierSet(">=3.11"), packages=())


def package(name: str, wanted: str, installed: str | None, extra: str = "") -> Package:
    return Package(name=name, wanted=SpecifierSet(wanted), installed=installed, extra=extra)


def test_the_needs_are_those_of_the_installed_package():
    needs = read_needs()
    packages = {one.name: one for one in needs.packages}
    assert {"torch", "diffusers", "transformers", "peft"} <= packages.keys()
    assert packages["diffusers"].fits
    assert packages["diffusers"].extra == ""
    assert packages["peft"].extra == "lora"
    assert "pytest" not in packages
    assert find_package("torch") == packages["torch"]
    assert find_package("numba") is None


def test_without_its_metadata_nothing_says_what_is_needed(monkeypatch):
    monkeypatch.setattr(installation, "_DISTRIBUTION", "chords-nowhere")
    with pytest.raises(ChordsError, match="chords-nowhere is not installed"):
        read_needs()
    assert find_package("torch") is None


def test_python_is_well_in_its_range_alone():
    assert check_python(NEEDS, "3.12.1").state == "ok"
    told = check_python(NEEDS, "3.10.4")
    assert told.state == "fail"
    assert told.found.startswith("3.10.4 in ")
    assert told.found.endswith("; chords 0.1.0 needs >=3.11")


def test_packages_that_fit_share_a_line_and_others_have_their_own():
    told = check_packages(
        [
            package("torch", ">=2.6", None),
            package("diffusers", ">=0.42", "0.42.1"),
            package("numpy", ">=1.26", "2.4.6"),
            package("transformers", ">=5.0", "4.57.0"),
            package("safetensors", ">=0.5", None),
            package("peft", ">=0.15", None, "lora"),
        ],
        "0.1.0",
    )
    assert [(one.name, one.state, one.found, one.remedy) for one in told] == [
        (
            "transformers",
            "fail",
            "4.57.0, but chords 0.1.0 needs >=5.0",
            "pip install 'transformers>=5.0'",
        ),
        ("safetensors", "fail", "it is not installed", "pip install 'safetensors>=0.5'"),
        ("packages", "ok", "diffusers 0.42.1 and 1 more, as chords 0.1.0 needs them", ""),
    ]


def test_a_release_candidate_is_in_range():
    assert package("torch", ">=2.6", "2.14.0rc1+cu130").fits


def test_an_extra_that_is_made_of_others_adds_nothing(monkeypatch):
    told = Message()
    told["Version"] = "0.1.0"
    for line in ("peft>=0.15; extra == 'lora'", "peft>=0.15; extra == 'all'"):
        told["Requires-Dist"] = line
    monkeypatch.setattr(installation, "metadata", lambda name: told)
    assert [(one.name, one.extra) for one in read_needs().packages] == [("peft", "lora")]


def test_extras_need_not_be_installed_but_must_fit():
    absent, old = package("peft", ">=0.15", None, "lora"), package("peft", ">=0.15", "0.9", "lora")
    assert check_extras([absent]).state == "ok"
    assert check_extras([absent]).found == "peft not installed (lora)"
    told = check_extras([old])
    assert (told.state, told.remedy) == ("warn", "pip install 'peft>=0.15'")
    assert told.found == "peft 0.9 (lora); needed is peft>=0.15"
