"""Asks any kind of accelerator for what is needed here, by the names that torch gives to all.

CUDA and ROCm share one set of names (`cuda`), Intel's GPUs are `xpu`, Apple's is `mps`. Each has a
module of its own in torch with the same functions; what one of them lacks is answered here.
"""

from typing import Any

import torch

from chords_cli.pipelines.load.spec import STREAMING

HOST = torch.device("cpu")


def has_streams(device: torch.device) -> bool:
    """Tells whether copies can run beside the work of a device."""
    return device.type in STREAMING


def module_of(device: torch.device) -> Any:
    """Returns the module of torch for the kind of `device`, such as `torch.cuda`."""
    return torch.get_device_module(device)


def make_current(device: torch.device) -> None:
    """Has everything that names no index go to `device` in this thread."""
    if device.type in STREAMING:
        module_of(device).set_device(device)


def free_memory(device: torch.device) -> int | None:
    """Returns the bytes that are free on a device; None where it shares the host's memory."""
    return int(module_of(device).mem_get_info(device)[0]) if device.type in STREAMING else None


def peak_memory(device: torch.device) -> int | None:
    """Returns the most bytes that tensors took since the last reset; None on the host."""
    return int(module_of(device).max_memory_allocated(device)) if device.type in STREAMING else None


def reset_peak_memory(device: torch.device) -> None:
    """Resets the peak that `peak_memory` returns."""
    if device.type in STREAMING:
        module_of(device).reset_peak_memory_stats(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether a device had no memory left.

    Only the allocator has a class of error for that: contexts, libraries and Apple's kind do not.
    """
    words = ("out of memory", "STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)
