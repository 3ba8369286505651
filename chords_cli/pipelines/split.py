"""Guidance split: the two branches of classifier-free guidance, one a member of a core.

All members run the same, unmodified pipeline call on the same latent. The lead alone moves it and
tells the helper where it stands then. So a model's answer has to be complete on the lead only, and
what a helper's pipeline makes of half an answer is thrown away: no formula of guidance has to be
known, and no member can drift apart.

Guidance reaches a model in two ways, and both are seen in its arguments:

- one call with a doubled batch, whose halves hold the same latent: each branch takes one half;
- several calls with the same latent: the branches take turns.

A call that is neither (guidance switched off, a distilled model) is the first of its latent, which
is the lead's. Latents are the same on all members, so all of them see the same and decide alike.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from diffusers import DiffusionPipeline
from diffusers.hooks import HookRegistry, ModelHook
from torch import Tensor, cat, equal, nn

from chords_cli.pipelines.load.spec import BRANCHES, DENOISERS, Arguments

_NAME = "guidance split"

Model = Callable[..., Any]
Positional = tuple[Any, ...]


class Wire(Protocol):
    """Carries answers from the helper to the lead."""

    def send(self, answer: Tensor) -> None: ...

    def receive(self, like: Tensor) -> Tensor: ...


class GuidanceSplit:
    """Answers a pipeline's calls of its models as one branch of two.

    Args:
        branch: 0 on the lead, 1 on its helper.
        wire: To the other one.

    Attributes:
        shared: How many of the current loop's answers the helper has computed for the lead.
    """

    def __init__(self, branch: int, wire: Wire) -> None:
        self._branch, self._wire = branch, wire
        self.shared = 0
        self._latent: Any = None
        self._number = 0
        self._answer: Any = None
        self._stand_ins: dict[str, Any] = {}

    @contextmanager
    def attached(self, pipe: DiffusionPipeline) -> Iterator[None]:
        """Shares the pipeline's denoisers inside the block: while it samples, not to decode."""
        self.shared = 0
        models = [model for name in DENOISERS if (model := getattr(pipe, name, None)) is not None]
        for model in models:
            HookRegistry.check_if_exists_or_initialize(model).register_hook(_Hook(self), _NAME)
        try:
            yield
        finally:
            for model in models:
                model._diffusers_hook.remove_hook(_NAME, recurse=False)
            self._latent = self._answer = None

    def answer(self, model: Model, args: Positional, kwargs: Arguments) -> Any:
        """Returns the model's answer: complete on the lead, of the same shape on its helper."""
        latent = args[0] if args else kwargs.get("hidden_states", kwargs.get("sample"))
        if latent is None:
            return model(*args, **kwargs)  # by a name of its own: every member computes it
        if not is_doubled(latent):
            return self._take_turns(latent, model, args, kwargs)
        args, kwargs = (half(value, self._branch, latent) for value in (args, kwargs))
        own = self._compute(model, args, kwargs)
        return joined(own, own if self._branch else self._receive(own))

    def _take_turns(self, latent: Any, model: Model, args: Positional, kwargs: Arguments) -> Any:
        self._number = self._number + 1 if same(latent, self._latent) else 0
        self._latent = latent
        if self._number % BRANCHES == self._branch:
            self._answer = self._compute(model, args, kwargs)
            return self._answer
        return (
            self._receive(self._answer)
            if self._branch == 0
            else self._stand_in(latent, model, args, kwargs)
        )

    def _stand_in(self, latent: Any, model: Model, args: Positional, kwargs: Arguments) -> Any:
        """Returns on a helper what nobody reads, of the shape of the lead's answer.

        To know the shape it computes one answer in its life.
        """
        shape = str(changed(lambda tensor: tuple(tensor.shape), latent))
        if shape not in self._stand_ins:
            self._stand_ins[shape] = model(*args, **kwargs)
        return self._stand_ins[shape]

    def _compute(self, model: Model, args: Positional, kwargs: Arguments) -> Any:
        answer = model(*args, **kwargs)
        if self._branch:
            changed(self._wire.send, answer)
            self.shared += 1
        return answer

    def _receive(self, like: Any) -> Any:
        self.shared += 1
        return changed(self._wire.receive, like)


class _Hook(ModelHook):
    def __init__(self, split: GuidanceSplit) -> None:
        super().__init__()
        self._split = split

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return self._split.answer(self.fn_ref.original_forward, args, kwargs)


def same(latent: Any, other: Any) -> bool:
    """Tells whether two latents are one; a list of them counts as a batch."""
    if latent is other or other is None or len(latent) != len(other):
        return latent is other
    if isinstance(latent, list):
        return all(map(same, latent, other))
    return latent.shape == other.shape and equal(latent, other)


def is_doubled(latent: Any) -> bool:
    """Tells whether a batch holds every latent twice."""
    size, odd = divmod(len(latent), BRANCHES)
    return not odd and same(latent[:size], latent[size:])


def half(value: Any, branch: int, latent: Any) -> Any:
    """Returns what of an argument is a branch's: its rows, if it has one for each of the batch."""
    size, rows = len(latent), isinstance(value, Tensor) and value.ndim > 0
    if isinstance(value, list) and isinstance(latent, list):
        rows = True  # a list is a batch only where the latent comes as one
    if rows and len(value) == size:
        return value[branch * size // BRANCHES : (branch + 1) * size // BRANCHES]
    return within(lambda part: half(part, branch, latent), value)


def joined(first: Any, second: Any) -> Any:
    """Returns one answer to the whole batch."""
    if isinstance(first, Tensor):
        return cat([first, second])
    if isinstance(first, list):
        return first + second
    other = iter(second.values() if isinstance(second, dict) else second)
    return within(lambda part: joined(part, next(other)), first)


def changed(change: Callable[[Tensor], Any], value: Any) -> Any:
    """Returns the same containers with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    return within(lambda part: changed(change, part), value)


def within(change: Callable[[Any], Any], value: Any) -> Any:
    """Returns the same container with every part changed; anything else as it is."""
    if isinstance(value, dict):  # such as diffusers' outputs
        parts = {name: change(part) for name, part in value.items()}
        return parts if type(value) is dict else type(value)(**parts)
    return type(value)(map(change, value)) if isinstance(value, tuple | list) else value
