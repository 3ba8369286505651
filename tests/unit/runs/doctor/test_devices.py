"""What is said of torch, the driver, devices and their links."""

import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from chords_cli.cli.options import as_option
from chords_cli.engine.devices import Memory
from chords_cli.errors import ChordsError
from chords_cli.pipelines.load.installed import Libraries
from chords_cli.runs.doctor import devices
from chords_cli.runs.doctor.devices import (
    Driver,
    ask_driver,
    ask_libraries,
    check_device,
    check_driver,
    check_links,
    check_torch,
    look,
    why_not,
)
from chords_cli.runs.doctor.installation import Package
from chords_cli.runs.doctor.notes import Notes

GB = 10**9
TORCH = Package(name="torch", wanted=SpecifierSet(">=2.6"), installed="2.13.0")
ON_CPU = Libraries(torch="2.13.0+cpu", build="CPUs")
ON_CUDA = Libraries(torch="2.13.0", build="CUDA 12.8")
GPUS = ("cuda:0", "cuda:1", "cuda:2")


@pytest.fixture
def notes() -> Notes:
    return Notes(lambda check: None, as_option)


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """Stands in for nvidia-smi; each test writes it."""
    file = tmp_path / "nvidia-smi"
    file.touch(0o755)
    return file


def test_torch_is_told_with_its_build():
    told = check_torch(ON_CUDA, TORCH, nvidia=True)
    assert (told.state, told.found) == ("ok", "2.13.0, built for CUDA 12.8")
    assert check_torch(ON_CPU, None, nvidia=False).state == "ok"


def test_a_build_for_cpus_beside_a_gpu_is_told():
    told = check_torch(ON_CPU, TORCH, nvidia=True)
    assert told.state == "warn"
    assert "cannot use this machine's NVIDIA GPU" in told.found
    assert "pytorch.org" in told.remedy


@pytest.mark.parametrize(
    ("libraries", "package", "found", "remedy"),
    [
        (
            Libraries(torch=None, broken={"torch": "OSError: libcudart.so.12: cannot open"}),
            TORCH,
            "2.13.0 cannot be imported: OSError: libcudart.so.12: cannot open",
            "install it again: pip install --force-reinstall torch==2.13.0",
        ),
        (
            Libraries(torch=None, broken={"torch": "ModuleNotFoundError"}),
            Package(name="torch", wanted=SpecifierSet(">=2.6"), installed=None),
            "it is not installed",
            "pip install 'torch>=2.6'",
        ),
        (
            Libraries(torch="2.5.1", build="ROCm 6.2"),
            Package(name="torch", wanted=SpecifierSet(">=2.6"), installed="2.5.1"),
            "2.5.1, built for ROCm 6.2; needed is >=2.6",
            "pip install 'torch>=2.6'",
        ),
    ],
)
def test_torch_that_does_not_do_is_told_with_the_cause(libraries, package, found, remedy):
    told = check_torch(libraries, package, nvidia=False)
    assert (told.state, told.found, told.remedy) == ("fail", found, remedy)


def test_a_library_that_cannot_be_imported_is_told_with_the_last_line(monkeypatch, tmp_path):
    (tmp_path / "broken.py").write_text("raise OSError('libfoo.so: cannot open')")
    (tmp_path / "killed.py").write_text("import os; os.kill(os.getpid(), 11)")
    (tmp_path / "whole.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert why_not("broken") == "OSError: libfoo.so: cannot open"
    assert why_not("killed") == "importing it ends Python by SIGSEGV"
    assert why_not("whole") is None
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert why_not("whole") == "/nowhere/python cannot be started: No such file or directory"


def test_what_hides_torch_is_asked_for_when_nobody_answers(monkeypatch, notes):
    def refuses(*_: object) -> None:
        raise ChordsError("torch could not be asked for its devices")

    monkeypatch.setattr(devices, "ask", refuses)
    monkeypatch.setattr(devices, "why_not", lambda name: f"ImportError: {name}")
    assert ask_libraries(notes, "FluxPipeline") == Libraries(
        torch=None, broken={"torch": "ImportError: torch"}
    )
    assert notes.checks == []
    monkeypatch.setattr(
        devices, "why_not", lambda name: "RuntimeError: numpy" if name == "diffusers" else None
    )
    assert ask_libraries(notes, "FluxPipeline") is None
    broken = notes.checks.pop()
    assert (broken.name, broken.state) == ("diffusers", "fail")
    assert broken.found.endswith(" cannot be imported: RuntimeError: numpy")
    monkeypatch.setattr(devices, "why_not", lambda name: None)
    assert ask_libraries(notes, "FluxPipeline") is None
    assert [(check.name, check.state) for check in notes.checks] == [("torch", "fail")]


def test_without_torch_no_device_is_known(monkeypatch, notes):
    monkeypatch.setattr(devices, "ask_driver", lambda: None)
    assert look(notes, "cuda:0", Libraries(torch=None, broken={"torch": "OSError"})) == ()
    assert [(check.name, check.state) for check in notes.checks] == [
        ("torch", "fail"),
        ("driver", "ok"),
        ("devices", "fail"),
    ]


def test_gpus_are_told_one_by_one_with_their_links(monkeypatch, notes):
    h100 = Memory(title="NVIDIA H100", total=85 * GB, free=84 * GB)
    monkeypatch.setattr(devices, "ask_driver", lambda: Driver(version="570.86", gpus=4))
    monkeypatch.setattr(devices, "device_memory", lambda own: dict.fromkeys(own, h100))
    monkeypatch.setattr(devices, "links_between", lambda: NV)
    monkeypatch.setattr(devices, "ask", lambda question, seconds: [question.args[0]])
    assert look(notes, "cuda:0, cuda:2", ON_CUDA) == ("cuda:0", "cuda:2")
    assert [check.name for check in notes.checks] == [
        *("torch", "driver", "cuda:0", "cuda:2", "links")
    ]
    assert {check.state for check in notes.checks} == {"ok"}
    assert notes.checks[-1].found == (
        "NVLink (NV18) between every two; none reads another's memory"
    )


def test_devices_that_are_not_here_are_refused(monkeypatch, notes):
    monkeypatch.setattr(devices, "ask_driver", lambda: None)
    assert look(notes, "cuda:9", ON_CUDA) == ()
    assert notes.checks[-1].found.startswith("device cuda:9 is not on this machine")
    assert notes.checks[-1].remedy == "try --devices cuda:0,cuda:1,cuda:2,cuda:3"


def test_the_driver_says_its_version(tool):
    tool.write_text("#!/bin/sh\necho '570.86, NVIDIA H100'\necho '570.86, NVIDIA H100'\n")
    found = ask_driver([str(tool)])
    assert found == Driver(version="570.86", gpus=2)
    assert check_driver(found, ON_CUDA).found == "NVIDIA 570.86 for 2 GPUs"


def test_a_driver_that_fails_is_quoted(tool):
    tool.write_text("#!/bin/sh\necho NVIDIA-SMI has failed >&2\nexit 9\n")
    told = check_driver(ask_driver([str(tool)]), ON_CUDA)
    assert (told.state, told.found) == ("warn", f"{tool} says: NVIDIA-SMI has failed")


def test_a_driver_that_hangs_is_given_up(tool):
    tool.write_text("#!/bin/sh\nexec sleep 600\n")
    told = check_driver(ask_driver([str(tool)], seconds=0.2), ON_CUDA)
    assert (told.state, told.found) == ("warn", f"{tool} gives no answer for 0.2 s")


def test_a_machine_without_the_tool_is_well():
    assert ask_driver(["/nowhere/nvidia-smi"]) is None
    assert check_driver(None, ON_CPU).state == "ok"
    assert check_driver(None, None).state == "ok"


def test_a_driver_that_torch_cannot_use_is_told():
    libraries = Libraries(torch="2.13.0", build="CUDA 13.0", unusable="RuntimeError: too old")
    told = check_driver(Driver(version="470.1", gpus=1), libraries)
    assert (told.state, told.found) == (
        "warn",
        "NVIDIA 470.1 for 1 GPU, which torch cannot use: RuntimeError: too old",
    )


def test_a_device_is_told_with_its_memory():
    h100 = check_device("cuda:0", Memory(title="NVIDIA H100", total=85 * GB, free=84 * GB))
    assert (h100.name, h100.state) == ("cuda:0", "ok")
    assert h100.found == "NVIDIA H100, 84.0 GB free of 85.0 GB"
    assert check_device("mps", Memory(title="Apple GPU", total=18 * GB)).found == (
        "Apple GPU, 18.0 GB"
    )
    assert (
        "2.0 GB free of 9.0 GB"
        in check_device("cpu", Memory(title="host", total=9 * GB, free=2 * GB)).found
    )


def test_a_device_that_others_hold_is_told():
    told = check_device("cuda:1", Memory(title="NVIDIA H100", total=85 * GB, free=9 * GB))
    assert (told.state, told.remedy) == ("warn", "something else holds the rest: see nvidia-smi")


NV = {("GPU0", "GPU1"): "NV18", ("GPU0", "GPU2"): "NV18", ("GPU1", "GPU2"): "NV18"}
ALL = [("cuda:0", "cuda:1"), ("cuda:0", "cuda:2"), ("cuda:1", "cuda:2")]


@pytest.mark.parametrize(
    ("own", "links", "peers", "found"),
    [
        (["cpu"], {}, None, "1 device, so nothing to connect"),
        (["xpu:0", "xpu:1"], {}, None, "not known: latents go through host memory"),
        (GPUS, NV, ALL, "NVLink (NV18) between every two; each reads the others' memory"),
        (
            GPUS,
            NV | {("GPU0", "GPU1"): "SYS"},
            ALL[1:],
            "PCIe (SYS) between GPU0-GPU1, else NVLink (NV18); each reads the others' memory, "
            "except cuda:0-cuda:1",
        ),
        (GPUS, {}, [], "none reads another's memory"),
    ],
)
def test_links_are_named_by_what_differs(own, links, peers, found):
    assert check_links(own, links, peers).found == found
