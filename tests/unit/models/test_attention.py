"""Which attention a preset may name, told from source alone, and what is said where it may not."""

import diffusers
import pytest
from diffusers.models.attention_dispatch import _AttentionBackendRegistry

from chords_cli.errors import UsageError
from chords_cli.models.denoisers.attention import attention_of, check_attention
from chords_cli.models.denoisers.source import all_backends, has_choice
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
