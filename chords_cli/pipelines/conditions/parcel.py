"""What core 0's encoders return, as bytes: any value, its tensors with their strides.

Encoders return tuples, outputs of models and distributions. Pickle carries them all. Tensors that
lie on core 0's device go by the host to the device of the core that receives them. What a core on
an accelerator has on the host is meant to be there, and stays.
"""

import io
import pickle
from typing import Any

import torch
from torch import Tensor


def pack(value: Any, device: torch.device) -> bytes:
    """Returns `value` as bytes; `device` is that of the core whose it is."""
    stored = io.BytesIO()
    _Pickler(stored, device).dump(value)
    return stored.getvalue()


def unpack(stored: bytes, device: torch.device) -> Any:
    """Returns the value that was packed, with what lay on that core's device on this one."""
    return _Unpickler(io.BytesIO(stored), device).load()


class _Pickler(pickle.Pickler):
    def __init__(self, stored: io.BytesIO, device: torch.device) -> None:
        super().__init__(stored)
        self._device = device

    def persistent_id(self, value: Any) -> Tensor | None:
        there = isinstance(value, Tensor) and value.device.type == self._device.type
        return value.to("cpu") if there else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, stored: io.BytesIO, device: torch.device) -> None:
        super().__init__(stored)
        self._device = device

    def persistent_load(self, value: Tensor) -> Tensor:
        return value.to(self._device)
