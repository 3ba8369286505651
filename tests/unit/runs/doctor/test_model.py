"""What is said of a model: its weights, the token, its pipeline, its layout and its memory."""

from dataclasses import replace
from pathlib import Path

import pytest

from chords_cli.cli.options import as_option
from chords_cli.hub.cache import Weights
from chords_cli.hub.token import Token
from chords_cli.pipelines.load.installed import Libraries
from chords_cli.presets.files import find_preset
from chords_cli.presets.inputs import InputRule
from chords_cli.records.run import CoreMemory, DeviceMemory, MemoryRecord
from chords_cli.runs.doctor import model
from chords_cli.runs.doctor.latent_size import latent_elements
from chords_cli.runs.doctor.model import (
    check_layout,
    check_needs,
    check_pipeline,
    check_token,
    check_weights,
    left_to_fetch,
    look,
)
from chords_cli.runs.doctor.notes import Notes
from chords_cli.runs.settings.layouts.capacity import DoesNotFitError
from chords_cli.runs.settings.options.request import Request

GB = 10**9
FLUX = find_preset("flux")
DEMO = find_preset("demo-image")
WHOLE = Weights("complete", Path("/hub/flux"), 34 * GB)
HALF = Weights("partial", Path("/hub/flux"), 10 * GB, "ae.safetensors is missing")
ABSENT = Weights("absent", None, 0)


def test_weights_that_are_here_are_told_with_their_size():
    told = check_weights(FLUX, WHOLE)
    assert (told.state, told.found) == ("ok", "flux is complete: 34.0 GB")


def test_weights_that_are_not_here_are_told_with_the_command():
    told = check_weights(FLUX, ABSENT)
    assert (told.state, told.remedy) == ("warn", "fetch it: chords download flux")
    assert told.found.startswith("black-forest-labs/FLUX.1-dev is not on this machine, about 33.")
    half = check_weights(FLUX, HALF)
    assert "is not complete: ae.safetensors is missing, about 23." in half.found


def test_what_is_left_to_fetch_is_what_has_not_arrived():
    assert left_to_fetch(FLUX, WHOLE) == left_to_fetch(DEMO, ABSENT) == 0
    assert left_to_fetch(FLUX, ABSENT) - left_to_fetch(FLUX, HALF) == 10 * GB
    assert left_to_fetch(FLUX, replace(HALF, bytes=99 * GB)) == 0


def test_a_token_is_told_by_its_place_alone():
    told = check_token(Token("HF_TOKEN", usable=True), FLUX, ABSENT)
    assert (told.state, told.found) == ("ok", "there is one, from HF_TOKEN")
    odd = check_token(Token("/home/a/token", usable=False), FLUX, ABSENT)
    assert (odd.state, odd.found[:27]) == ("warn", "the one of /home/a/token ha")


@pytest.mark.parametrize(
    ("preset", "weights", "state"),
    [(FLUX, ABSENT, "warn"), (FLUX, WHOLE, "ok"), (DEMO, ABSENT, "ok")],
)
def test_only_a_gated_model_that_is_not_here_needs_a_token(preset, weights, state):
    assert check_token(None, preset, weights).state == state


def test_a_pipeline_that_cannot_be_imported_is_told_with_the_cause():
    well = Libraries(torch="2.13.0")
    assert check_pipeline(DEMO, well).state == "ok"
    told = check_pipeline(DEMO, replace(well, broken={"diffusers": "ImportError: CLIPModel"}))
    assert told.state == "fail"
    assert told.found.endswith("cannot be imported: ImportError: CLIPModel")


def test_the_layout_is_told_with_its_reason(resolved):
    told = check_layout(resolved())
    assert (told.state, told.found[:20]) == ("ok", "4 devices: 2 picture")
    assert check_layout(replace(resolved(cores=4), note=None)).found == (
        "4 cores on cuda:0, cuda:1, cuda:2, cuda:3, as the preset says"
    )


def memory(*sizes: int, unknown: str | None = None) -> MemoryRecord:
    cores = tuple(
        CoreMemory(core=number, components={}, bytes=size, device="cuda:0")
        for number, size in enumerate(sizes)
    )
    device = DeviceMemory(
        device="cuda:0", cores=(0,), bytes=None, title="X", total=80 * GB, free=70 * GB
    )
    return MemoryRecord(cores=cores, devices=(device,), source="files", unknown=unknown)


def test_memory_is_told_per_process_and_per_device(resolved, monkeypatch):
    monkeypatch.setattr(model, "check_memory", lambda demand, guess: None)
    settings = resolved()
    told = check_needs(settings, memory(9 * GB, 2 * GB, 2 * GB), as_option)
    assert told.state == "ok"
    assert told.found == (
        "core 0 9.0 GB of weights; cores 1 to 2 each 2.0 GB of weights; cuda:0 has 70.0 GB free"
    )
    told = check_needs(settings, memory(unknown="no file"), as_option)
    assert told.found == "not known: no file; cuda:0 has 70.0 GB free"


def test_memory_that_is_tight_or_too_little_is_told(resolved, monkeypatch):
    settings = resolved()
    monkeypatch.setattr(model, "check_memory", lambda demand, guess: "toy is tight")
    assert check_needs(settings, memory(GB), as_option).state == "warn"

    def refuses(demand: object, guess: bool) -> None:
        raise DoesNotFitError("toy takes 99 GB", "use {cores}", {"cores": 1})

    monkeypatch.setattr(model, "check_memory", refuses)
    told = check_needs(settings, memory(GB), as_option)
    assert (told.state, told.found, told.remedy) == ("fail", "toy takes 99 GB", "use --cores 1")


@pytest.mark.parametrize(("error", "name"), [(DoesNotFitError, "memory"), (None, "layout")])
def test_a_run_that_is_refused_is_told_under_its_name(error, name, monkeypatch):
    def refuses(*_: object, **__: object) -> None:
        raise (error or model.ChordsError)("it cannot be", "do other")

    monkeypatch.setattr(model, "resolve", refuses)
    notes = Notes(lambda check: None, as_option)
    request = Request(kind="image", prompts=("-",))
    assert look(notes, DEMO, request, WHOLE, None) is None
    last = notes.checks[-1]
    assert (last.name, last.state, last.found) == (name, "fail", "it cannot be")


@pytest.mark.parametrize(
    ("config", "call", "elements"),
    [
        (None, {"width": 1024, "height": 1024}, 16 * 128 * 128),
        (
            '{"latent_channels": 8, "block_out_channels": [1, 2, 3]}',
            {"width": 64, "height": 32},
            8 * 16 * 8,
        ),
        (
            '{"z_dim": 16, "scale_factor_spatial": 8, "scale_factor_temporal": 4}',
            {"width": 832, "height": 480, "num_frames": 81},
            16 * 104 * 60 * 21,
        ),
        ("[]", {}, 16 * 128 * 128),
        ("{", {}, 16 * 128 * 128),
    ],
)
def test_a_latent_is_as_large_as_the_vae_says(config, call, elements, tmp_path):
    (tmp_path / "vae").mkdir()
    if config is not None:
        (tmp_path / "vae" / "config.json").write_text(config)
    folder = None if config is None else tmp_path
    assert latent_elements(DEMO, call, folder) == elements


def test_a_model_that_starts_from_a_picture_has_a_layout_although_none_is_named():
    preset = DEMO.model_copy(
        update={"pipeline": "FluxImg2ImgPipeline", "inputs": {"image": InputRule()}, "variants": {}}
    )
    notes = Notes(lambda check: None, as_option)
    assert look(notes, preset, Request(kind="image", devices="cpu"), WHOLE, None)
    assert [check.state for check in notes.checks if check.name == "layout"] == ["ok"]
