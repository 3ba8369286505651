import pytest
import torch

from chords_cli.pipelines.load.offload import free_memory, leaves, weight_bytes

GB = 10**9


@pytest.mark.parametrize("free", [0, 5 * GB, 50 * GB])
def test_an_encoder_that_never_leaves_stays_however_short_memory_is(free):
    assert not leaves("never", size=10 * GB, free=free)


@pytest.mark.parametrize("free", [0, 5 * GB, 50 * GB])
def test_an_encoder_that_always_leaves_leaves_however_much_is_free(free):
    assert leaves("always", size=10 * GB, free=free)


@pytest.mark.parametrize(("free", "gone"), [(9 * GB, True), (10 * GB, False), (11 * GB, False)])
def test_left_to_itself_an_encoder_leaves_where_less_is_free_than_it_takes(free, gone):
    assert leaves("auto", size=10 * GB, free=free) is gone


@pytest.mark.parametrize("policy", ["never", "auto", "always"])
def test_no_encoder_leaves_the_host(policy):
    assert not leaves(policy, size=10 * GB, free=None)
    assert free_memory(torch.device("cpu")) is None


def test_the_bytes_of_a_module_are_those_of_its_parameters():
    assert weight_bytes(torch.nn.Linear(10, 4, dtype=torch.bfloat16)) == 88
