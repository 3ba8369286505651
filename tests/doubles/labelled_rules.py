"""What CUDA says to an operation: where its result lies, what is refused, where the host waits."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from tests.doubles.labelled_tensors import HOST, is_labelled, label, tensors_in

Function = Callable[..., Any]

_JOINS = frozenset(
    (torch.cat, torch.concat, torch.concatenate, torch.stack, torch.hstack, torch.vstack)
)
"""Operations that treat a host scalar like any other tensor."""

_LOOKS = frozenset(
    (
        *(Tensor.expand_as, Tensor.view_as, Tensor.reshape_as, torch.result_type),
        Tensor.__deepcopy__,  # is given what was copied before
    )
)
"""Operations that read no number of any tensor but their first."""

_NUMPY = frozenset((Tensor.numpy, Tensor.__array__))
_INDEXING = frozenset((Tensor.__getitem__, Tensor.__setitem__, Tensor.index_put_, torch.index_put))
_MASKS = (torch.bool, torch.uint8)

_WAITS = frozenset(
    (
        *(Tensor.item, Tensor.tolist, Tensor.is_nonzero, torch.is_nonzero, Tensor.__contains__),
        *(Tensor.__bool__, Tensor.__float__, Tensor.__int__, Tensor.__index__, Tensor.__complex__),
        *(Tensor.__format__, Tensor.__repr__, Tensor.equal, torch.equal, Tensor.allclose),
        *(torch.allclose, Tensor.nonzero, torch.nonzero, Tensor.masked_select, torch.masked_select),
        *(Tensor.unique, torch.unique, torch.argwhere),
    )
)
"""Operations whose answer or whose size is a number of the host's."""

_NUMBERS = ("alpha", "beta", "value")
"""Arguments that are numbers of the host's, whatever is given for them."""


def device_of(func: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> torch.device:
    """Where the result of an operation lies that is not told where to put it.

    Raises:
        RuntimeError: Its tensors lie on several devices.
        TypeError: It hands a device's tensor to numpy.
    """
    if func in _LOOKS:
        return label(args[0])
    if func in _NUMPY:
        return _for_numpy(args[0])
    if func in _INDEXING:
        return _indexed(func, args[0], *args[1:], *kwargs.values())
    given = tensors_in((args, kwargs))
    held = kwargs.get("out", given[0] if given and _in_place(func) else None)
    return _common(func, given, held)


def waits(func: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> Iterator[str]:
    """What an operation has the host wait for, copies of whole tensors aside."""
    name = name_of(func)
    if func in _WAITS and any(map(is_labelled, tensors_in((args, kwargs)))):
        yield name
    if func in _INDEXING and _index_waits(args[0], (*args[1:], *kwargs.values())[0]):
        yield name
    if func is torch.tensor and torch.device(kwargs.get("device") or HOST).type == "cuda":
        yield name
    if func == Tensor.__setitem__ and isinstance(args[2], Tensor) and crosses(*args[::2]):
        yield name
    numbers = tensors_in([kwargs.get(number) for number in _NUMBERS]) if kwargs else ()
    if any(is_labelled(one) and one.dim() == 0 for one in numbers):
        yield f"a number for {name}"


def crosses(one: Tensor, other: Tensor) -> bool:
    """Whether one tensor lies on the host and the other on a device."""
    return {label(one).type, label(other).type} == {"cpu", "cuda"}


@functools.cache
def name_of(func: Function) -> str:
    return getattr(func, "__name__", str(func))


def _common(func: Function, given: Sequence[Tensor], held: Tensor | None = None) -> torch.device:
    """The one device of an operation's tensors; host scalars may meet any, but hold no result."""
    met = {label(one) for one in given if func in _JOINS or one is held or not _is_free(one)}
    if len(met) > 1:
        first, second, *_ = sorted(map(str, met), reverse=True)
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{first} and {second}! ({name_of(func)})"
        )
    return met.pop() if met else HOST


def _indexed(func: Function, target: Tensor, index: Any, *values: Any) -> torch.device:
    """The device of what is indexed: by tensors of the host or of its own."""
    device, indices = label(target), [one for one in tensors_in(index) if not _is_place(one)]
    if any(label(one) not in (HOST, device) for one in indices):
        raise RuntimeError(
            "indices should be either on cpu or on the same device as the indexed tensor "
            f"({device})"
        )
    if indices:  # what is set without them is a copy, which may come from anywhere
        _common(func, [target, *tensors_in(values)])
    return device


def _for_numpy(tensor: Tensor) -> torch.device:
    if label(tensor) != HOST:
        raise TypeError(
            f"can't convert {label(tensor)} device type tensor to numpy. Use Tensor.cpu() to copy "
            "the tensor to host memory first."
        )
    return HOST


def _index_waits(target: Tensor, index: Any) -> bool:
    """Whether indexing needs a device's number on the host, or the host's on the device."""
    indices = tensors_in(index)
    if any(is_labelled(one) and (_is_place(one) or one.dtype in _MASKS) for one in indices):
        return True
    pieces = index if isinstance(index, tuple) else (index,)
    uploads = any(isinstance(piece, list) for piece in pieces)
    uploads = uploads or any(label(one) == HOST and one.dim() > 0 for one in indices)
    return uploads and is_labelled(target)


def _is_place(index: Tensor) -> bool:
    """Whether an index is one number, which is read from wherever it lies."""
    return index.dim() == 0 and index.dtype not in _MASKS


def _is_free(tensor: Tensor) -> bool:
    """Whether a tensor may meet any device: a scalar of the host's."""
    return tensor.dim() == 0 and label(tensor) == HOST


@functools.cache
def _in_place(func: Function) -> bool:
    name = name_of(func)
    return (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
