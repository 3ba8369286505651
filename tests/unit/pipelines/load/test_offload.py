import pytest
import torch

from chords_cli.pipelines.load.offload import Encoders, free_memory, leaves, weight_bytes
from chords_cli.pipelines.load.spec import ModelSpec
from tests.doubles.labelled_cuda import labelled_cuda

GB = 10**9
CUDA = torch.device("cuda:0")


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


class Pipe:
    """As much of a pipeline as its encoders are: two of text, one of pictures, one hollow."""

    def __init__(self) -> None:
        with torch.device("meta"):
            hollow = torch.nn.Linear(4, 4)
        self.components = {
            "text_encoder": torch.nn.Linear(4, 4),
            "text_encoder_2": torch.nn.Linear(4, 4),
            "image_encoder": torch.nn.Linear(4, 4),
            "siglip": hollow,
            "tokenizer": object(),
            "vae": torch.nn.Linear(4, 4),
        }

    def places(self) -> dict[str, str]:
        parts = {name: part for name, part in self.components.items() if hasattr(part, "weight")}
        return {name: str(part.weight.device) for name, part in parts.items()}


@pytest.fixture
def pipe():
    with labelled_cuda():
        yield Pipe()


def encoders(pipe, **policies):
    components = {name: {"offload": policy} for name, policy in policies.items()}
    spec = ModelSpec(folder="", pipeline="", dtype="float32", components=components)
    return Encoders(pipe, spec, CUDA)


def on_device(pipe):
    return {name for name, place in pipe.places().items() if place == "cuda:0"}


def test_encoders_begin_on_their_device_but_for_those_that_always_leave_it(pipe):
    encoders(pipe, text_encoder="always", image_encoder="never")
    assert on_device(pipe) == {"text_encoder_2", "image_encoder"}
    assert pipe.places()["siglip"] == "meta"
    assert pipe.places()["vae"] == "cpu"  # not ours to place


def test_only_the_encoder_that_is_asked_is_brought_to_the_device(pipe):
    made = encoders(pipe, text_encoder="always", text_encoder_2="always", image_encoder="always")
    with made.in_use("image_encoder"):
        assert on_device(pipe) == {"image_encoder"}
    with made.in_use("encode_prompt"):  # which may look at a picture, too
        assert on_device(pipe) == {"text_encoder", "text_encoder_2", "image_encoder"}
    with made.in_use("vae"):
        assert on_device(pipe) == set()
    assert on_device(pipe) == set()


@pytest.mark.parametrize(("free", "stay"), [(79, set()), (80, {"image_encoder"})])
def test_an_image_encoder_leaves_like_one_of_text_where_memory_is_short(
    pipe, free, stay, monkeypatch
):
    monkeypatch.setattr("chords_cli.pipelines.load.offload.free_memory", lambda device: free)
    made = encoders(pipe)
    everything = {"text_encoder", "text_encoder_2", "image_encoder"}
    assert on_device(pipe) == everything
    with made.in_use("image_encoder"):
        assert on_device(pipe) == everything
    assert on_device(pipe) == {"text_encoder", "text_encoder_2"} | stay
