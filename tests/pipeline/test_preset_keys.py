"""What a preset says of loading reaches the workers: `compile`, `quantization`, many shards."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel

from chords_cli.errors import ChordsError
from chords_cli.events import CoreLoading
from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan
from chords_cli.sampler.stop import StopRule
from tests.doubles import tiny
from tests.pipeline.conftest import as_tensor, call_of, pool_of
from tests.pipeline.oracle import stock_latent

STEPS, SEED = 6, 7
INT8 = {"backend": "torchao", "kwargs": {"quant_type": "Int8WeightOnlyConfig"}, "components": None}


@pytest.fixture
def refused(spec: Callable[[str], ModelSpec]) -> Callable[..., tuple[str, str]]:
    """Message and hint with which a model with these keys is refused."""

    def refuse(family: str = "flux", **keys: Any) -> tuple[str, str]:
        with pytest.raises(ChordsError) as caught:
            load(replace(spec(family), **keys))
        return caught.value.message, caught.value.hint

    return refuse


def load(spec: ModelSpec) -> Any:
    return load_pipeline(spec, device=torch.device("cpu"), encodes=True, decodes=True)


def exact(spec: ModelSpec, listener: Callable[[Any], None] = lambda event: None) -> torch.Tensor:
    """Core 0's latent of two cores."""
    plan = chords_plan(STEPS, (0, 3))
    with pool_of(spec, 2, listener=listener) as pool:
        sampled = pool.sample(plan, call_of("flux", STEPS), SEED, StopRule(index=2))
    return as_tensor(sampled.outputs[-1].latent)


def test_compiled_blocks_give_the_bits_of_plain_ones(
    spec: Callable[[str], ModelSpec], loaded: Callable[[str], Any]
) -> None:
    compiled = exact(replace(spec("flux"), compile={"backend": "eager"}))
    assert torch.equal(compiled, stock_latent(loaded("flux"), call_of("flux", STEPS), SEED))


def test_a_model_without_repeated_blocks_is_not_compiled(
    refused: Callable[..., tuple[str, str]],
) -> None:
    assert refused("sd3", compile={"backend": "eager"}) == (
        "compile is set, but SD3Transformer2DModel names no repeated blocks to compile",
        "remove `compile` from the preset",
    )


def test_arguments_that_compile_does_not_take_are_refused(
    refused: Callable[..., tuple[str, str]],
) -> None:
    message, hint = refused(compile={"speed": "high"})
    assert message.startswith("compile is not possible: ")
    assert "'speed'" in message
    assert hint == "write arguments of torch.compile, such as `compile: {fullgraph: true}`"


def test_many_shards_read_in_parallel_give_the_bits_of_stock_and_are_told_in_bytes(
    spec: Callable[[str], ModelSpec], tmp_path: Path
) -> None:
    """Stock reads the same files: on some CPUs bits depend on where in a file a tensor begins."""
    folder, heard = tmp_path / "sharded", []
    pipe = tiny.BUILDERS["flux"]()
    pipe.save_pretrained(folder, max_shard_size="20KB")
    shards = list((folder / "transformer").glob("*.safetensors"))
    assert len(shards) > 3
    sharded = replace(spec("flux"), folder=str(folder))
    stock = load_pipeline(sharded, device=torch.device("cpu"), encodes=True, decodes=True)
    many = exact(sharded, heard.append)
    assert torch.equal(many, stock_latent(stock, call_of("flux", STEPS), SEED))
    loading = [event for event in heard if isinstance(event, CoreLoading) and event.core == 1]
    assert [event.done for event in loading] == sorted(event.done for event in loading)
    assert {event.total for event in loading} == {sizes(folder, "transformer", "vae")}
    assert len({event.done for event in loading if event.what == "transformer"}) > 3


def sizes(folder: Path, *components: str) -> int:
    files = [file for name in components for file in (folder / name).glob("*.safetensors")]
    return sum(file.stat().st_size for file in files)


def test_an_unknown_backend_of_quantization_is_refused_by_those_that_are_known(
    refused: Callable[..., tuple[str, str]],
) -> None:
    message, hint = refused(quantization={**INT8, "backend": "magic"})
    assert message.startswith("quantization magic is not possible: known are ")
    assert "bitsandbytes_4bit" in message
    assert hint == "install the backend's package or correct `quantization` in the preset"


def test_a_backend_that_is_not_here_is_refused(refused: Callable[..., tuple[str, str]]) -> None:
    kwargs = {"load_in_4bit": True}
    message, _ = refused(quantization={**INT8, "backend": "bitsandbytes_4bit", "kwargs": kwargs})
    assert message.startswith("quantization bitsandbytes_4bit is not possible: ")


def test_a_component_that_is_not_there_cannot_be_quantized(
    refused: Callable[..., tuple[str, str]],
) -> None:
    message, hint = refused(quantization={**INT8, "components": ["unet"]})
    assert message == "quantization.components names unet, which FluxPipeline has not"
    assert hint.startswith("choose from ")
    assert "transformer" in hint


def test_quantized_weights_come_near_the_full_ones_on_every_core(
    spec: Callable[[str], ModelSpec],
) -> None:
    pytest.importorskip("torchao", reason="torchao is not installed: pip install torchao")
    quantized, plain = exact(replace(spec("flux"), quantization=INT8)), exact(spec("flux"))
    assert not torch.equal(quantized, plain)
    assert (quantized - plain).abs().max() < 0.1


def test_the_denoiser_alone_is_quantized_when_no_component_is_named(
    spec: Callable[[str], ModelSpec],
) -> None:
    pytest.importorskip("torchao", reason="torchao is not installed: pip install torchao")
    pipe = load(replace(spec("flux"), quantization=INT8))
    kinds = {name: type(next(part.parameters())) for name, part in weighty(pipe)}
    assert {kind for name, kind in kinds.items() if name != "transformer"} == {torch.nn.Parameter}
    block = pipe.transformer.transformer_blocks[0].attn.to_q
    assert isinstance(pipe.transformer, FluxTransformer2DModel)
    assert type(block.weight).__name__ == "Int8Tensor"


def weighty(pipe: Any) -> list[tuple[str, torch.nn.Module]]:
    parts = pipe.components.items()
    return [(name, part) for name, part in parts if isinstance(part, torch.nn.Module)]
