"""Latents outside of tensor libraries: raw bytes on a pipe, float32 arrays for their distance.

The pool's process reads latents without importing torch; workers pack tensors.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from chords_cli.engine.messages import Latent

if TYPE_CHECKING:
    import torch


def pack(latent: "torch.Tensor") -> Latent:
    """Copies the bits of `latent`, wherever it lies."""
    import torch

    host = latent.detach().to("cpu").contiguous()
    data = host.reshape(-1).view(torch.uint8).numpy().tobytes()
    return Latent(str(host.dtype).removeprefix("torch."), tuple(host.shape), data)


def unpack(latent: Latent) -> "torch.Tensor":
    """Returns a packed latent as a tensor on the host."""
    import torch

    data = torch.frombuffer(bytearray(latent.data), dtype=torch.uint8)
    return data.view(getattr(torch, latent.dtype)).reshape(latent.shape)


def is_finite(latent: "torch.Tensor") -> bool:
    """Tells whether no number of a latent on the host is nan or infinite.

    Both ends of its range are nan if one number is. Asking each number takes thirty times as long.
    """
    low, high = latent.aminmax()
    return math.isfinite(low) and math.isfinite(high)


def as_array(latent: Latent) -> np.ndarray:
    """Returns the values in float32, exact for every half precision and for float32."""
    if latent.dtype == "bfloat16":
        wide = np.frombuffer(latent.data, "<u2").astype("<u4") << 16
        return wide.view("<f4").reshape(latent.shape)
    array = np.frombuffer(latent.data, np.dtype(latent.dtype).newbyteorder("<"))
    return array.astype(np.float32).reshape(latent.shape)


def residual(before: Latent, after: Latent) -> float:
    """Returns the distance between two consecutive outputs: RMS in latent units."""
    gap = as_array(after).astype(np.float64) - as_array(before)
    return float(np.sqrt(np.mean(np.square(gap))))
