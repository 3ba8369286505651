"""What a core says of its end: no memory left reads alike wherever it is not left."""

import pytest
import torch

from chords_cli.engine.messages import WorkerSpec
from chords_cli.engine.worker import _failure
from chords_cli.errors import UsageError
from chords_cli.pipelines.load.spec import ModelSpec

SMALLER = (
    "use a smaller --width, --height or --frames, a preset with tiling, or devices with more memory"
)


def failure(error: Exception, device: str = "cuda:0") -> tuple[str, str, int]:
    spec = WorkerSpec(
        core=1,
        cores=2,
        device=device,
        threads=1,
        model=ModelSpec(folder="", pipeline="", dtype="float32"),
        decodes=False,
        rendezvous="",
        timeout=1.0,
        log="",
    )
    failed = _failure(spec, error)
    return failed.message, failed.hint, failed.exit_code


@pytest.mark.parametrize("numbers", [10**17, 2**62])
def test_a_size_that_the_host_cannot_hold_is_out_of_memory_on_cpu(numbers: int) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(numbers)
    assert failure(caught.value, "cpu") == ("core 1 on cpu: out of memory on cpu", SMALLER, 1)


def test_a_full_host_is_told_from_a_full_device() -> None:
    on_device = ("core 1 on cuda:0: out of memory on cuda:0", SMALLER, 1)
    assert failure(torch.OutOfMemoryError("CUDA out of memory")) == on_device
    assert failure(MemoryError()) == ("core 1 on cuda:0: out of memory on cpu", SMALLER, 1)


def test_other_errors_keep_their_words() -> None:
    message, hint, code = failure(RuntimeError("shapes\n do not match"))
    assert message == "core 1 on cuda:0: RuntimeError: shapes do not match"
    assert (hint, code) == ("set CHORDS_DEBUG=1 to see the traceback", 1)
    assert failure(UsageError("no", "yes")) == ("core 1 on cuda:0: no", "yes", 2)
