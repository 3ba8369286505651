"""What a preset may ask of a denoiser, by source alone, and what is said where it may not."""

import inspect

import diffusers
import pytest
import torch
from diffusers.models.attention_dispatch import _AttentionBackendRegistry

from chords_cli.errors import UsageError
from chords_cli.models.denoisers.attention import attention_of, check_attention
from chords_cli.models.denoisers.checks import check_denoisers
from chords_cli.models.denoisers.source import (
    all_backends,
    compile_parameters,
    has_choice,
    has_repeated_blocks,
)
from chords_cli.models.repositories import find_model

FLUX = ("FluxTransformer2DModel",)


def with_attention(name: str | None):
    return find_model("flux").model_copy(update={"attention": name})


def test_the_names_are_those_that_diffusers_registers():
    shared = _AttentionBackendRegistry._supports_context_parallel
    registered = [backend.value for backend in _AttentionBackendRegistry.list_backends()]
    assert all_backends() == {name: name in shared for name in registered}


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("FluxTransformer2DModel", True),
        ("ChromaTransformer2DModel", True),  # its processors are Flux's
        ("WanVACETransformer3DModel", True),
        ("SD3Transformer2DModel", False),
        ("CogVideoXTransformer3DModel", False),
        ("UNet2DConditionModel", False),
        ("NoSuchModel", None),
    ],
)
def test_whether_a_denoiser_follows_is_read_in_its_source(name, choice):
    assert choice is None or hasattr(diffusers, name)
    assert has_choice(name) is choice


@pytest.mark.parametrize("name", [None, "native", "_native_math", "flex"])
def test_what_torch_has_is_accepted(name):
    check_attention(with_attention(name), FLUX)


@pytest.mark.parametrize(
    ("name", "denoisers", "message", "hint"),
    [
        (
            "nativ",
            FLUX,
            "attention is nativ, which diffusers does not have",
            "did you mean native? it has flash, ",
        ),
        (
            "sage_hub",
            FLUX,
            "attention sage_hub is code that diffusers fetches from the hub, which is never run",
            "name one whose package is installed, such as sage, or remove attention from the",
        ),
        (
            "native",
            ("SD3Transformer2DModel",),
            "attention is native, but diffusers computes that of SD3Transformer2DModel in one way "
            "only",
            "remove attention from the preset",
        ),
    ],
)
def test_what_cannot_work_is_refused(name, denoisers, message, hint):
    with pytest.raises(UsageError) as caught:
        check_attention(with_attention(name), denoisers)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("name", "module", "how"),
    [
        ("flash", "flash_attn", "pip install flash-attn"),
        ("_flash_varlen_3", "flash_attn_3", "build FlashAttention 3 from its source"),
        ("_sage_qk_int8_pv_fp8_cuda", "sageattention", "pip install sageattention"),
        ("xformers", "xformers", "pip install xformers"),
    ],
)
def test_a_package_that_is_not_installed_is_named(name, module, how, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    with pytest.raises(UsageError) as caught:
        check_attention(with_attention(name), FLUX)
    assert caught.value.message == f"attention {name} needs {module}, which is not installed"
    assert caught.value.hint == f"{how}, or remove attention from the preset"


def test_a_preset_wins_over_the_environment(monkeypatch):
    assert attention_of(with_attention(None)) == "native"
    monkeypatch.setenv("DIFFUSERS_ATTN_BACKEND", "flex")
    assert attention_of(with_attention(None)) == "flex"
    assert attention_of(with_attention("flash")) == "flash"


def test_what_torch_compiles_by_is_read_in_its_source():
    taken = inspect.signature(torch.compile).parameters
    assert compile_parameters() == tuple(name for name in taken if name != "model")


@pytest.mark.parametrize(
    "name", ["FluxTransformer2DModel", "UNet2DConditionModel", "SD3Transformer2DModel"]
)
def test_whether_a_denoiser_has_blocks_to_compile_is_read_in_its_source(name):
    assert has_repeated_blocks(name) is bool(getattr(diffusers, name)._repeated_blocks)


@pytest.mark.parametrize(
    ("arguments", "denoiser", "message", "hint"),
    [
        (
            {},
            "SD3Transformer2DModel",
            "compile is set, but SD3Transformer2DModel names no repeated blocks to compile",
            "remove compile from the preset",
        ),
        (
            {"fulgraph": True},
            *FLUX,
            "compile.fulgraph is no argument of torch.compile",
            "did you mean fullgraph? it has fullgraph, dynamic, ",
        ),
    ],
)
def test_blocks_that_cannot_be_compiled_are_refused(arguments, denoiser, message, hint):
    preset = with_attention(None).model_copy(update={"compile": arguments})
    with pytest.raises(UsageError) as caught:
        check_denoisers(preset, [denoiser])
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_blocks_that_can_be_compiled_are_accepted():
    preset = with_attention(None).model_copy(update={"compile": {"fullgraph": True}})
    check_denoisers(preset, FLUX)
