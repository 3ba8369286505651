"""Host tensors that claim to lie on a device or in pinned memory: the labels themselves."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

HOST = torch.device("cpu")

_LABELS, _PINNED = WeakTensorKeyDictionary(), WeakTensorKeyDictionary()
"""Tensors by their labels, and those whose memory claims to be pinned. Not kept as attributes, for
some libraries make a weight again with all of its attributes as arguments."""

_NESTED = (tuple, list)

_CACHE_LINE = 64
"""In bytes; torch's own memory begins at one."""


def label(tensor: Tensor) -> torch.device:
    """The device on which a tensor claims to lie."""
    return _LABELS.get(tensor) or tensor.device


def is_labelled(tensor: Tensor) -> bool:
    """Whether a tensor claims to lie on a device that is not there."""
    return tensor in _LABELS


def put(made: Any, device: torch.device) -> Any:
    """Labels all tensors of what was made; those without numbers (`meta`) lie nowhere else."""
    labels = device.type == "cuda"
    for tensor in (made,) if isinstance(made, Tensor) else tensors_in(made):
        if labels and not tensor.is_meta:
            _LABELS[tensor] = device
        else:
            _LABELS.pop(tensor, None)
    return made


def twin(source: Tensor) -> Tensor:
    """A copy that begins at the same place of a line of the cache, on which bits may depend."""
    copy, size = source.clone(), source.element_size()
    if source.is_meta or source.data_ptr() % size:
        return copy
    room = torch.empty(copy.untyped_storage().nbytes() // size + _CACHE_LINE, dtype=copy.dtype)
    begin = (source.data_ptr() - room.data_ptr()) % _CACHE_LINE // size
    return room.as_strided(copy.size(), copy.stride(), begin).copy_(source)


def pin(tensor: Tensor) -> Tensor:
    """Has a host tensor claim that its memory is pinned."""
    _PINNED[tensor] = True
    return tensor


def is_pinned(tensor: Tensor) -> bool:
    """Whether a tensor claims to lie in pinned memory, by itself or as a view."""
    return any(one in _PINNED for one in (tensor, tensor._base) if one is not None)


def tensors_in(value: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists, dicts and slices."""
    found: list[Tensor] = []
    _gather((value,), found)
    return found


def _gather(values: Iterable[Any], found: list[Tensor]) -> None:
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, _NESTED):
            _gather(value, found)
        elif isinstance(value, dict):
            _gather(value.values(), found)
        elif isinstance(value, slice):
            _gather((value.start, value.stop, value.step), found)


def _as_subclass(tensor: Tensor, kind: type) -> Tensor:
    return put(torch._C.TensorBase.as_subclass(tensor, kind), label(tensor))


def _make_subclass(kind: type, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """What `Parameter(tensor)` is made by."""
    return put(torch._C.TensorBase._make_subclass(kind, tensor, *args, **kwargs), label(tensor))


_stock_reduce_ex = Tensor.__reduce_ex__


def _reduce_ex(tensor: Tensor, protocol: int) -> Any:
    make, given, *state = _stock_reduce_ex(tensor, protocol)
    return (_made_again, (label(tensor), make, given), *state)


def _made_again(device: torch.device, make: Callable[..., Tensor], given: tuple[Any, ...]) -> Any:
    """A tensor out of a pickle, on the device of the one that went in."""
    return put(make(*given), device)


UNSEEN: dict[str, Any] = {
    "as_subclass": _as_subclass,
    "_make_subclass": staticmethod(_make_subclass),
    "__reduce_ex__": _reduce_ex,
    "record_stream": lambda tensor, stream: None,  # stock takes torch's own streams alone
}
"""Methods of tensors that no mode sees, with answers that keep labels."""
