"""What a preset says of loading, on the device: bits stay those of stock loaded in the same way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    BitsAndBytesConfig,
    FluxPipeline,
    PipelineQuantizationConfig,
    TorchAoConfig,
)
from diffusers.training_utils import _collate_lora_metadata

from chords_cli.engine.pool import Sampled
from chords_cli.pipelines.load.offload import weight_bytes
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.stop import StopRule
from tests.gpu.conftest import on_a_device
from tests.gpu.models import SEED, STEPS, Models, call, latents, stock_bits
from tests.pipeline.conftest import as_tensor

FLUX = call("flux")
PLAN = chords_plan(STEPS, default_init_t(STEPS, 2))
ENCODERS = ("text_encoder", "text_encoder_2")

QUANTIZED: dict[str, tuple[str, str, dict[str, Any], Callable[[], Any]]] = {
    "torchao int8": (
        "torchao",
        "torchao",
        {"quant_type": "Int8WeightOnlyConfig"},
        lambda: TorchAoConfig(_torchao("Int8WeightOnlyConfig")),
    ),
    "torchao fp8": (
        "torchao",
        "torchao",
        {"quant_type": "Float8WeightOnlyConfig"},
        lambda: TorchAoConfig(_torchao("Float8WeightOnlyConfig")),
    ),
    "bitsandbytes int8": (
        "bitsandbytes",
        "bitsandbytes_8bit",
        {"load_in_8bit": True},
        lambda: BitsAndBytesConfig(load_in_8bit=True),
    ),
}
"""Package, a preset's backend and arguments, and how diffusers' own documents write the same."""


@pytest.fixture
def exact(models: Models) -> Callable[[ModelSpec], torch.Tensor]:
    """Core 0's latent of two cores."""

    def run(spec: ModelSpec) -> torch.Tensor:
        with models.pool(spec, PLAN.cores) as pool:
            return latents(pool, PLAN, FLUX)[-1]

    return run


@pytest.fixture(scope="module")
def stock(models: Models) -> torch.Tensor:
    return stock_bits(models.stock(models.spec("flux")), FLUX, PLAN.cores)


@on_a_device
def test_weights_are_read_straight_into_the_devices_memory(models: Models) -> None:
    pipe = models.stock(models.spec("flux"))
    assert pipe.hf_device_map == str(models.device)
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    assert {weight.device for part in parts for weight in part.parameters()} == {models.device}


@pytest.fixture(scope="module")
def offloaded(models: Models) -> dict[str, Sampled]:
    """The second of two samples by policy: it needs no text encoder, its prompt is encoded."""

    def second(policy: str) -> Sampled:
        parts = {name: {"offload": policy} for name in ENCODERS}
        with models.pool(models.spec("flux", components=parts), PLAN.cores) as pool:
            return [pool.sample(PLAN, FLUX, SEED, StopRule(), keep=True) for _ in range(2)][1]

    return {policy: second(policy) for policy in ("never", "always")}


def test_offloaded_text_encoders_keep_the_bits_of_stock(
    offloaded: dict[str, Sampled], stock: torch.Tensor
) -> None:
    for policy, sampled in offloaded.items():
        assert torch.equal(as_tensor(sampled.outputs[-1].latent), stock), policy


@on_a_device
def test_offloaded_text_encoders_leave_the_devices_memory(
    offloaded: dict[str, Sampled], models: Models
) -> None:
    peak = {policy: sampled.peak_memory[0][0] for policy, sampled in offloaded.items()}
    pipe = models.stock(models.spec("flux"))
    encoders = sum(weight_bytes(getattr(pipe, name)) for name in ENCODERS)
    assert peak["never"] - peak["always"] > encoders / 2


def test_compiled_blocks_give_the_bits_of_stock_compiled_alike(
    models: Models, exact: Callable[[ModelSpec], torch.Tensor]
) -> None:
    if models.device.type == "cuda":
        pytest.importorskip("triton", reason="torch.compile wants triton: pip install triton")
    pipe = models.stock(models.spec("flux"))
    pipe.transformer.compile_repeated_blocks(fullgraph=True)
    compiled = stock_bits(pipe, FLUX, PLAN.cores)
    assert torch.equal(exact(models.spec("flux", compile={"fullgraph": True})), compiled)


@pytest.fixture
def lora(models: Models, tmp_path: Path) -> Path:
    """A LoRA of the transformer whose alpha is not its rank."""
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install peft")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe = FluxPipeline.from_pretrained(models.repository("flux"))
        options = {"r": 4, "lora_alpha": 8, "init_lora_weights": False}
        pipe.transformer.add_adapter(peft.LoraConfig(target_modules=["to_q", "to_k"], **options))
    pipe.save_lora_weights(
        tmp_path,
        transformer_lora_layers=peft.get_peft_model_state_dict(pipe.transformer),
        **_collate_lora_metadata({"transformer": pipe.transformer}),
    )
    return tmp_path / "pytorch_lora_weights.safetensors"


def test_a_lora_gives_the_bits_of_stock_with_it(
    models: Models,
    exact: Callable[[ModelSpec], torch.Tensor],
    stock: torch.Tensor,
    lora: Path,
) -> None:
    pipe = models.stock(models.spec("flux"))
    pipe.load_lora_weights(str(lora.parent), weight_name=lora.name, adapter_name="style")
    pipe.set_adapters(["style"], [0.7])
    styled = stock_bits(pipe, FLUX, PLAN.cores)
    assert not torch.equal(styled, stock)
    assert torch.equal(exact(models.spec("flux", loras=((str(lora), 0.7),))), styled)


@pytest.mark.parametrize("which", QUANTIZED)
def test_a_quantized_model_gives_the_bits_of_stock_quantized_alike(
    which: str,
    models: Models,
    exact: Callable[[ModelSpec], torch.Tensor],
) -> None:
    package, backend, kwargs, config = QUANTIZED[which]
    pytest.importorskip(package, reason=f"{package} is not installed: pip install {package}")
    if package == "bitsandbytes" and models.device.type == "cpu":
        pytest.skip("diffusers quantizes with bitsandbytes on a GPU only")
    pipe = FluxPipeline.from_pretrained(
        models.repository("flux"),
        dtype=torch.bfloat16,
        quantization_config=PipelineQuantizationConfig(quant_mapping={"transformer": config()}),
        device_map=None if models.device.type == "cpu" else models.device.type,
    )
    pipe.set_progress_bar_config(disable=True)
    quantized = stock_bits(pipe, FLUX, PLAN.cores)
    plain = models.spec("flux", "bfloat16")
    assert not torch.equal(quantized, stock_bits(models.stock(plain), FLUX, PLAN.cores))
    quantization = {"backend": backend, "kwargs": kwargs, "components": None}
    assert torch.equal(exact(replace(plain, quantization=quantization)), quantized)


def _torchao(name: str) -> Any:
    import torchao.quantization

    return getattr(torchao.quantization, name)()
