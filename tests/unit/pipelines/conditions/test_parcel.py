"""What encoders return crosses to other cores as it is: types, values, strides, its place."""

from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKLOutput
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from transformers.modeling_outputs import BaseModelOutputWithPooling

from chords_cli.pipelines.conditions.parcel import pack, unpack
from tests.doubles.labelled_cuda import labelled_cuda

HOST = torch.device("cpu")


def sent(value: Any) -> Any:
    return unpack(pack(value, HOST), HOST)


def test_a_distribution_draws_there_what_it_draws_here() -> None:
    posterior = DiagonalGaussianDistribution(torch.randn(1, 8, 2, 2))
    arrived = sent(AutoencoderKLOutput(latent_dist=posterior)).latent_dist
    here, there = (one.sample(torch.Generator().manual_seed(3)) for one in (posterior, arrived))
    assert torch.equal(here, there)
    assert torch.equal(arrived.mode(), posterior.mode())


def test_an_output_of_a_model_keeps_its_names_and_what_is_missing() -> None:
    states = (torch.randn(1, 5, 4), torch.randn(1, 5, 4))
    output = BaseModelOutputWithPooling(last_hidden_state=states[-1], hidden_states=states)
    arrived = sent(output)
    assert type(arrived) is BaseModelOutputWithPooling
    assert arrived.pooler_output is None
    assert list(arrived.keys()) == ["last_hidden_state", "hidden_states"]
    assert all(map(torch.equal, arrived.hidden_states, states))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(1, 4, 3, 3).to(memory_format=torch.channels_last),
        torch.randn(2, 3, 4).permute(2, 0, 1),
        torch.randn(4, 6)[1:3, ::2],
        torch.randn(3, 1).expand(3, 5),
        torch.randn(3, dtype=torch.bfloat16),
        torch.tensor([], dtype=torch.int64),
    ],
    ids=["channels last", "permuted", "a view", "expanded", "bfloat16", "empty"],
)
def test_a_tensor_keeps_its_bits_type_and_strides(tensor: torch.Tensor) -> None:
    arrived = sent((tensor, None, [{"text": tensor}]))[2][0]["text"]
    assert arrived.dtype == tensor.dtype
    assert arrived.stride() == tensor.stride()
    assert torch.equal(arrived, tensor)


@pytest.mark.parametrize(
    ("sender", "receiver", "states", "ids"),
    [
        ("cuda:0", "cuda:1", "cuda:1", "cpu"),
        ("cuda:0", "cpu", "cpu", "cpu"),
        ("cpu", "cuda:0", "cuda:0", "cuda:0"),  # where nothing tells them apart
    ],
)
def test_what_lay_on_the_sender_s_device_goes_to_the_receiver_s_and_the_rest_to_the_host(
    sender: str, receiver: str, states: str, ids: str
) -> None:
    with labelled_cuda():
        value = {"states": torch.ones(2, device=sender), "ids": torch.arange(3)}
        arrived = unpack(pack(value, torch.device(sender)), torch.device(receiver))
        assert str(arrived["states"].device) == states
        assert str(arrived["ids"].device) == ids
        assert arrived["states"].tolist() == [1.0, 1.0]
