"""A pipeline as one core: samples along a walk, decodes a latent, both by its own `__call__`."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from torch import Tensor

from chords_cli.errors import ChordsError, UsageError
from chords_cli.pipelines.caches import StepCache
from chords_cli.pipelines.chain import Chain, Driver, following
from chords_cli.pipelines.conditions.encoding import Share, SharedEncoding
from chords_cli.pipelines.conditions.pictures import has_pictures, opened
from chords_cli.pipelines.conditions.tokens import PromptReader
from chords_cli.pipelines.load.offload import Encoders
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.pipelines.said import Said, other_size
from chords_cli.pipelines.solver import StockSolver
from chords_cli.pipelines.split import GuidanceSplit
from chords_cli.pipelines.start_latent import StartLatent
from chords_cli.pipelines.vae import decoder_noise, wrap_decoder


class Answer:
    """The driver of a loop whose end is known: answers its one step, if any, with `latent`."""

    stopped = False

    def __init__(self, latent: Tensor) -> None:
        self._latent = latent

    def begin(self, solver: StockSolver) -> None:
        """Does nothing: nothing is left to solve."""

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        return self._latent


class CorePipeline:
    """One core's pipeline, whose prompt encodings are shared with all others.

    Args:
        pipe: The pipeline, loaded.
        rank: Of the process; 0 encodes.
        share: Hands core 0's encodings to all cores.
        encoders: Where the pipeline's text encoders are.
        said: Takes what the user has to know of a call.
        cache: A step cache, `{name, args}`.
        split: The share of the answers that this member of a core computes; None for all.
        context: Whether several members compute every answer together, so that none can alone.

    Raises:
        UsageError: The model cannot be cached like that.
    """

    def __init__(
        self,
        pipe: DiffusionPipeline,
        rank: int,
        share: Share,
        encoders: Encoders,
        said: Said,
        *,
        cache: Arguments | None = None,
        split: GuidanceSplit | None = None,
        context: bool = False,
    ) -> None:
        self._pipe, self._said, self._split, self._context = pipe, said, split, context
        self._reader = PromptReader(pipe, said)
        wrap_decoder(pipe)
        self._encoding = SharedEncoding(pipe, rank, share, encoders)
        self._start = StartLatent(pipe)
        self._cache: StepCache | None = None
        self.use_cache(cache)
        self._visited = 0
        self._carried: torch.dtype | None = None
        self._alters: bool | None = None

    @property
    def encode_seconds(self) -> float:
        """How long the current call's conditioning took to encode or to arrive; 0 if replayed."""
        return self._encoding.seconds

    @property
    def evaluated(self) -> float | None:
        """How many evaluations of the model the latest sample took; None without a cache."""
        return None if self._cache is None else self._cache.evaluated(self._visited)

    def follow(self, scheduler: SchedulerMixin) -> None:
        """Takes the next samples' steps with another scheduler."""
        self._pipe.scheduler = scheduler

    def use_cache(self, cache: Arguments | None) -> None:
        """Makes the next samples with this step cache, or without one.

        Raises:
            UsageError: The model cannot be cached like that.
        """
        now = None if self._cache is None else self._cache.cache
        if cache == now:
            return
        if self._cache is not None:
            self._cache.remove()
        self._cache = None if cache is None else StepCache(self._pipe, cache, self._said)

    def forget(self) -> None:
        """Encodes or receives the prompt of the next call, even if it is the last one's."""
        self._encoding.forget()

    def sample(
        self,
        call: Arguments,
        seed: int,
        steps: int,
        walk: tuple[int, ...],
        driver: Driver,
    ) -> Tensor | None:
        """Runs the pipeline along `walk` and returns the latent that its loop ends with.

        None if the walk has no steps.

        Args:
            call: The pipeline's keyword arguments, prompt included.
            seed: Of the initial noise, drawn on the host so that all devices draw the same.
            steps: T.
            walk: The grid steps to evaluate.
            driver: Moves the latent.

        Raises:
            ChordsError: The call does not fit the pipeline, or its loop ended before the walk.
        """
        self._encoding.begin(call)
        noise = _noise(seed)
        chain = Chain(self._pipe, walk, steps, driver, noise)
        self._visited = len(walk)
        cached = nullcontext() if self._cache is None else self._cache.sample()
        sharing = nullcontext() if self._split is None else self._split.attached(self._pipe)
        with following(self._pipe, chain), cached, sharing:
            self._run(call, generator=noise, output_type="latent")
        chain.check_walked()
        self._start.note(chain.began)
        self._alters = chain.alters
        self._check_context(call, chain.began)
        self._carried = chain.carried or self._carried
        return chain.reached

    def check_split(self) -> None:
        """Refuses, once a first drift is here, to split what its pipeline asks for in one call.

        A guider may begin later.
        """
        if self._split and not self._split.shared and not hasattr(self._pipe, "guider"):
            raise UsageError(
                f"{type(self._pipe).__name__} calls its model once a step, with one half of "
                "guidance: there is nothing to split",
                "leave out {guidance_split}, or give what the model needs to be guided: a "
                "{guidance} above 1 and, for some, a negative prompt",
                {"guidance_split": True, "guidance": None},
            )

    def _can_skip_loop(self, call: Arguments, *, own: bool = True) -> bool:
        """Tells whether a call with an empty loop decodes what the loop begins with.

        Not where a loop begins with something else, or puts known parts of a picture back. Whether
        it does is known of this core's own latents: those of a core that took longer steps may be
        changed where this core's are not.
        """
        alters = self._alters if own or self._context else None
        unchanged = alters is False or (alters is None and not has_pictures(call))
        return self._start.replaceable and unchanged

    def _check_context(self, call: Arguments, began: Tensor | None) -> None:
        """Refuses, once a walk is over, a pipeline that cannot be decoded by one member alone."""
        if self._context and began is not None and not self._can_skip_loop(call):
            raise UsageError(
                f"{type(self._pipe).__name__} begins with or makes another latent than its steps "
                "do, and has to ask its model to decode, which one member of a core cannot",
                "use {context}",
                {"context": 1},
            )

    def decode(
        self, call: Arguments, seed: int, steps: int, latent: Tensor, *, own: bool = True
    ) -> np.ndarray:
        """Returns the picture of `latent`: uint8, [frames, height, width, 3].

        The call is made once more, so what follows its loop is its own, and draws the same noise.
        Its loop is empty and begins with this latent; where a pipeline does not begin with what
        it prepared, or changes latents after its steps, its loop takes the last step, which answers
        with this latent.

        Args:
            call: The pipeline's keyword arguments.
            seed: Of the noise that the latent was made from.
            steps: T.
            latent: What a loop has ended with.
            own: Whether it was this core's latest loop.
        """
        self._encoding.begin(call)
        latent = latent.to(self._carried or latent.dtype)
        skips = self._can_skip_loop(call, own=own)
        chain = Chain(self._pipe, () if skips else (steps - 1,), steps, Answer(latent))
        begun = self._start.replaced(latent if skips else None)
        with following(self._pipe, chain), begun, decoder_noise(self._pipe):
            made = self._run(call, generator=_noise(seed), output_type="pil")
        chain.check_walked()
        frames = made[0] if isinstance(made[0], list) else made
        picture = np.stack([np.asarray(frame.convert("RGB")) for frame in frames])
        if differs := other_size(call, picture.shape[:3]):
            self._said(differs)
        return picture

    def _run(self, call: Arguments, **arguments: Any) -> Any:
        self._reader.begin(call)
        if guider := getattr(self._pipe, "guider", None):
            # what it is asked before the loop would be about the last step of the call before
            guider._num_inference_steps = guider._step = None
        try:
            made = self._pipe(**opened(call), **arguments, return_dict=False)[0]
            self._reader.tell()
            return made
        except ChordsError:
            self._pipe.maybe_free_model_hooks()
            raise
        except AssertionError as error:
            if not self._context:
                raise
            raise UsageError(
                f"{type(self._pipe).__name__} has fewer tokens here than a context can share: "
                f"{error}",
                "make a larger picture, or use a smaller {context}",
                {"context": None},
            ) from error
        except (ValueError, TypeError) as error:
            # what a pipeline's own check_inputs raises: the call does not fit the model
            self._pipe.maybe_free_model_hooks()
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(
                f"{type(self._pipe).__name__} refused its call: {reason}",
                "check the preset's `call` and the options that override it",
            ) from error


def _noise(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)
