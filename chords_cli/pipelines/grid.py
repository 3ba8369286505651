"""The timesteps that a pipeline sees while it follows a chain (`pipelines.chain`)."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor


class Loop(Protocol):
    """Knows which steps of a pipeline's loop are taken."""

    def visit(self, timesteps: Tensor, offset: int, first: int) -> Iterator[tuple[int, Tensor]]: ...

    def following(self, index: int) -> int: ...


class Grid(Tensor):
    """The full grid of timesteps, which a chain numbers; every operation gives plain tensors."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    _chain: Loop
    _offset: int

    @classmethod
    def of(cls, timesteps: Tensor, chain: Loop, offset: int) -> "Grid":
        grid = timesteps.as_subclass(cls)
        grid._chain, grid._offset = chain, offset
        return grid

    def plain(self) -> Tensor:
        return self.as_subclass(Tensor)

    def numbered(self, first: int) -> Iterator[tuple[int, Tensor]]:
        return self._chain.visit(self.plain(), self._offset, first)

    def __getitem__(self, index: Any) -> Tensor:
        picked = self.plain()[index]
        if isinstance(index, slice):
            first, _, stride = index.indices(len(self))
            assert stride == 1, "pipelines cut their grid only at its ends"
            return Grid.of(picked, self._chain, self._offset + first)
        if isinstance(index, int) and index >= 0:
            return self.plain()[self._chain.following(index + self._offset) - self._offset]
        return picked

    def to(self, *args: Any, **kwargs: Any) -> "Grid":
        return Grid.of(self.plain().to(*args, **kwargs), self._chain, self._offset)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.plain().clone()
