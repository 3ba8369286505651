"""Muon for convolutions: torch's takes matrices, so each kernel is seen as one."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class ConvolutionMuon(torch.optim.Muon):
    """`torch.optim.Muon` on kernels (out, in, ...) flattened to (out, in x ...).

    The matrices are views: what the step writes to them is in the kernels.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], **options: Any) -> None:
        self._kernels = list(kernels)
        super().__init__([nn.Parameter(_matrix(kernel)) for kernel in self._kernels], **options)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        matrices = self.param_groups[0]["params"]
        for matrix, kernel in zip(matrices, self._kernels, strict=True):
            matrix.grad = None if kernel.grad is None else _flat(kernel.grad)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for kernel in self._kernels:
            kernel.grad = None
        super().zero_grad(set_to_none)


def _matrix(kernel: Tensor) -> Tensor:
    """The kernel as a matrix that shares its storage, whether channels come first or last."""
    matrix = _flat(kernel.detach())
    if matrix.data_ptr() != kernel.data_ptr():
        raise ValueError(f"a kernel of strides {kernel.stride()} cannot be seen as a matrix")
    return matrix


def _flat(kernel: Tensor) -> Tensor:
    return kernel.movedim(1, -1).flatten(1)
