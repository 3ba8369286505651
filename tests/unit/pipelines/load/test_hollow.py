"""A component without weights answers whatever pipelines ask of one that they never call."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chords_cli.pipelines.load.hollow import make_hollow
from chords_cli.pipelines.load.loading import load_pipeline, loaded_components
from chords_cli.pipelines.load.offload import is_hollow
from chords_cli.pipelines.load.spec import ModelSpec
from tests.doubles import zoo_edits, zoo_first_frames
from tests.doubles.labelled_cuda import labelled_cuda

HOST = torch.device("cpu")


@pytest.fixture(scope="module")
def flux2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ModelSpec]:
    """A pipeline whose VAE has buffers that are weights."""
    return saved(zoo_edits.flux2_image(), tmp_path_factory.mktemp("flux2"))


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ModelSpec]:
    """A pipeline with an image encoder."""
    return saved(zoo_first_frames.wan_i2v(), tmp_path_factory.mktemp("wan"))


def saved(pipe: Any, folder: Path) -> tuple[Any, ModelSpec]:
    pipe.save_pretrained(folder)
    return pipe, ModelSpec(folder=str(folder), pipeline=type(pipe).__name__, dtype="float32")


def hollow(
    name: str, given: tuple[Any, ModelSpec], device: torch.device = HOST, **said: Any
) -> Any:
    pipe, spec = given
    part = type(getattr(pipe, name))
    return make_hollow(
        name, part.__module__.split(".")[0], part.__name__, replace(spec, **said), device
    )


def assert_without_weights(part: nn.Module) -> None:
    first, *others = part.parameters()
    assert first.device == HOST
    assert all(weight.is_meta for weight in others)
    assert is_hollow(part)
    assert not part.training


def test_a_vae_knows_its_configuration_and_its_buffers(flux2: tuple[Any, ModelSpec]) -> None:
    part, whole = hollow("vae", flux2), flux2[0].vae
    assert_without_weights(part)
    assert part.config.latent_channels == whole.config.latent_channels
    assert torch.equal(part.bn.running_mean, whole.bn.running_mean)
    assert torch.equal(part.bn.running_var, whole.bn.running_var)


def test_an_image_encoder_knows_its_configuration(wan: tuple[Any, ModelSpec]) -> None:
    part = hollow("image_encoder", wan)
    assert_without_weights(part)
    assert part.config.hidden_size == wan[0].image_encoder.config.hidden_size
    assert type(part) is type(wan[0].image_encoder)


def test_it_has_the_dtype_of_the_model_or_of_its_own(flux2: tuple[Any, ModelSpec]) -> None:
    said = {"vae": {"dtype": "float32"}}
    for dtype, part in (
        (torch.bfloat16, hollow("vae", flux2, dtype="bfloat16")),
        (torch.float32, hollow("vae", flux2, dtype="bfloat16", components=said)),
    ):
        assert part.dtype == dtype
        assert next(part.parameters()).dtype == dtype
        assert part.bn.running_mean.dtype == dtype


def test_it_says_that_it_is_on_the_core_s_device(flux2: tuple[Any, ModelSpec]) -> None:
    with labelled_cuda():
        device = torch.device("cuda:1")
        part = hollow("vae", flux2, device)
        assert next(part.parameters()).device == device
        assert part.device == device
        assert part.bn.running_mean.device == device


@pytest.mark.parametrize(
    ("roles", "held"),
    [
        ({"encodes": True, "decodes": False, "sees": False}, set()),
        ({"encodes": True, "decodes": False, "sees": True}, {"vae", "image_encoder"}),
        ({"encodes": False, "decodes": True, "sees": True}, {"vae"}),
        ({"encodes": False, "decodes": False, "sees": True}, set()),
    ],
    ids=["text alone", "core 0", "decodes", "neither"],
)
def test_a_core_holds_of_what_sees_pictures_what_it_will_ask(
    roles: dict[str, bool], held: set[str], wan: tuple[Any, ModelSpec]
) -> None:
    sees = roles["sees"]
    made = load_pipeline(
        replace(wan[1], sees=sees),
        device=HOST,
        encodes=roles["encodes"],
        decodes=roles["decodes"],
    )
    assert {"vae", "image_encoder"} & set(loaded_components(made)) == held
    assert made.vae is not None
    assert made.image_encoder is not None
    assert made.device == HOST
