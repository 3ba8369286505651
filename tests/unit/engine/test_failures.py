"""What a core says of its end: no memory left reads alike wherever it is not left."""

import pickle
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from safetensors import SafetensorError

from chords_cli.cli.options import as_option
from chords_cli.engine.messages import LostNeighbourError, WorkerSpec
from chords_cli.engine.worker import _failed
from chords_cli.errors import UsageError
from chords_cli.pipelines.load.spec import ModelSpec

SMALLER = (
    "use a smaller --width, --height or --frames, a preset with tiling, or devices with more memory"
)


def failure(
    error: Exception,
    device: str = "cuda:0",
    doing: str = "decoding",
    attention: str | None = None,
) -> tuple[str, str, int]:
    spec = WorkerSpec(
        core=1,
        cores=2,
        device=device,
        threads=1,
        model=ModelSpec(folder="m", pipeline="FluxPipeline", dtype="float32", attention=attention),
        decodes=False,
        rendezvous="",
        timeout=1.0,
        log="",
    )
    error = pickle.loads(pickle.dumps(_failed(spec, error, doing))).error
    return *error.spelled(as_option), error.exit_code


def _attend(tokens: torch.Tensor) -> None:
    try:
        mask = torch.zeros(1, 1, 4, 4)
        dispatch_attention_fn(tokens, tokens, tokens, mask, backend="flash")
    except (RuntimeError, TypeError, ValueError) as error:
        raise UsageError("FluxPipeline refused its call", "check it") from error


def test_an_error_of_the_attention_that_a_preset_names_says_so_if_it_names_one() -> None:
    tokens = torch.zeros(1, 4, 1, 8)
    with pytest.raises(UsageError) as caught:
        _attend(tokens)
    message, hint, code = failure(caught.value, attention="flash", doing="taking a step")
    beginning = "core 1 on cuda:0: attention flash is not possible with FluxPipeline in float32"
    assert message.startswith(beginning)
    assert (hint, code) == ("name another attention in the preset, or none", 1)
    unnamed = failure(caught.value, doing="taking a step")
    assert unnamed[0] == "core 1 on cuda:0: FluxPipeline refused its call"


@pytest.mark.parametrize("numbers", [10**17, 2**62])
def test_a_size_that_the_host_cannot_hold_is_out_of_memory_on_cpu(numbers: int) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(numbers)
    assert failure(caught.value, "cpu") == (
        "core 1 on cpu: out of memory on cpu while decoding",
        SMALLER,
        1,
    )


def test_a_full_host_is_told_from_a_full_device() -> None:
    on_device = ("core 1 on cuda:0: out of memory on cuda:0 while decoding", SMALLER, 1)
    assert failure(torch.OutOfMemoryError("CUDA out of memory")) == on_device
    assert failure(MemoryError()) == (
        "core 1 on cuda:0: out of memory on cpu while decoding",
        SMALLER,
        1,
    )


def test_other_errors_keep_their_words() -> None:
    message, hint, code = failure(RuntimeError("shapes\n do not match"))
    assert message == "core 1 on cuda:0: RuntimeError while decoding: shapes do not match"
    assert (hint, code) == ("set CHORDS_DEBUG=1 to see the traceback", 1)
    assert failure(UsageError("no", "yes")) == ("core 1 on cuda:0: no", "yes", 2)


@pytest.mark.parametrize("error", [OSError("no\n JSON"), SafetensorError("no JSON")])
def test_a_file_that_cannot_be_loaded_is_said_with_its_folder(error: Exception) -> None:
    message, hint, _ = failure(error, doing="loading")
    assert message == "core 1 on cuda:0: FluxPipeline could not be loaded from m: no JSON"
    assert hint.startswith("check that the folder is complete")
    assert failure(error)[0].endswith("Error while decoding: no JSON")


def test_an_error_keeps_its_class_and_its_options_on_the_way_to_the_pool() -> None:
    spec: Any = SimpleNamespace(core=1, name="core 1", device="cpu", place="cpu")
    lost = LostNeighbourError("not all came {x}", "raise {timeout}", {"timeout": 9})
    error = pickle.loads(pickle.dumps(_failed(spec, lost, "loading"))).error
    assert type(error) is LostNeighbourError
    assert error.message == "core 1 on cpu: not all came {x}"
    assert error.hint == "raise timeout=9"
    assert error.spelled(as_option)[1] == "raise --timeout 9"
