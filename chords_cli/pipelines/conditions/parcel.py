"""What core 0's encoders return, as bytes: any value, its tensors with their strides.

Encoders return tuples, outputs of models and distributions. Pickle carries them all; tensors that
lie on a device go by the host to the device of the core that receives them, and those of the host
stay there.
"""

import io
import pickle
from typing import Any

import torch
from torch import Tensor


def pack(value: Any) -> bytes:
    """Returns `value` as bytes."""
    stored = io.BytesIO()
    _Pickler(stored).dump(value)
    return stored.getvalue()


def unpack(stored: bytes, device: torch.device) -> Any:
    """Returns the value that was packed, with what lay on a device on this one."""
    return _Unpickler(io.BytesIO(stored), device).load()


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Tensor | None:
        away = isinstance(value, Tensor) and value.device.type != "cpu"
        return value.to("cpu") if away else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, stored: io.BytesIO, device: torch.device) -> None:
        super().__init__(stored)
        self._device = device

    def persistent_load(self, value: Tensor) -> Tensor:
        return value.to(self._device)
