"""Workers print nothing: libraries' bars become progress, their warnings sentences for the user.

Shards of weights are read in parallel, which diffusers too learns from the environment, and some
4000 modules are imported without garbage collection.

`set_environment` must run before those libraries are imported, so this module imports none of
them at its top.
"""

import gc
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from chords_cli.pipelines.load.wording import in_our_words

Progress = Callable[[str, int, int | None], None]
"""Told (what is loading, pieces done, pieces in all or None).

Of a pipeline's components each one's name as it begins, else a bar's title after every piece.
"""

_ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DIFFUSERS_VERBOSITY": "error",
    "DIFFUSERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_ENABLE_PARALLEL_LOADING": "yes",
    "OMP_WAIT_POLICY": "PASSIVE",  # a thread that waits by spinning takes its time from others
    "GOMP_SPINCOUNT": "20000",  # sleeping between small operations takes longer
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking the CUDA runtime would spoil it for all forks
}

_SPEAKERS = ("diffusers", "transformers", "peft", "accelerate")
"""The libraries whose warnings are about the models that they load and run."""


def set_environment() -> None:
    """Sets what the libraries read when they are imported; what the user has set stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def without_collection() -> Iterator[None]:
    """Imports without garbage collection, which would go through all modules again and again.

    They stay, so no later collection goes through them either: it would also give every forked
    process a copy of what it shares with others.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def report_loading(progress: Progress) -> None:
    """Silences diffusers and transformers and sends their loading bars to `progress`."""
    import diffusers.utils.logging as diffusers_logging
    import transformers.utils.logging as transformers_logging
    from tqdm import tqdm

    # tqdm's own lock is a semaphore of the system, which a killed process would leave behind
    tqdm.set_lock(threading.RLock())
    warnings.filterwarnings("ignore")
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    bar = _bar_class(diffusers_logging.EmptyTqdm, progress)
    diffusers_logging.tqdm = bar  # diffusers has no hook, but calls its bars through this name
    transformers_logging.set_tqdm_hook(lambda factory, args, kwargs: bar(*args, **kwargs))


def _bar_class(empty: type, progress: Progress) -> type:
    telling = threading.RLock()

    class ReportingBar(empty):  # type: ignore[misc]
        """A bar that draws nothing and reports every piece."""

        def __init__(
            self,
            iterable: Iterable[Any] | None = None,
            *,
            desc: str | None = None,
            total: int | None = None,
            **_: Any,
        ) -> None:
            self._pieces, self._what, self._done = iterable, desc or "weights", 0
            self._total = len(iterable) if isinstance(iterable, Sized) else total

        def __iter__(self) -> Iterator[Any]:
            for piece in self._pieces or ():
                if isinstance(piece, tuple):  # a component, by name and class
                    progress(str(piece[0]), self._done, self._total)
                    self._done += 1
                    yield piece
                else:
                    yield piece
                    self.update()

        def update(self, n: int = 1) -> None:
            with telling:  # shards are read in several threads
                self._done += n
                progress(self._what.rstrip(". "), self._done, self._total)

    return ReportingBar


def report_warnings(tell: Callable[[str], None]) -> None:
    """Sends what the libraries of the models warn of to `tell`, in our words, and prints nothing.

    What they tell developers, of calls that will change, is left out.
    """
    relay = _Relay(tell)
    for name in _SPEAKERS:
        logger = logging.getLogger(name)
        logger.handlers = [relay]
        logger.setLevel(logging.WARNING)
    warnings.simplefilter("ignore")
    for category in (UserWarning, RuntimeWarning):
        warnings.simplefilter("always", category)

    def show(message: Warning | str, category: Any, filename: str, *_: Any, **__: Any) -> None:
        speakers = [name for name in _SPEAKERS if name in PurePath(filename).parts]
        if speakers:
            relay.tell(speakers[0], str(message))

    warnings.showwarning = show  # as the warnings module has it for programs


class _Relay(logging.Handler):
    """Hands a library's warnings on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(record.name.partition(".")[0], record.getMessage())

    def tell(self, library: str, warning: str) -> None:
        """Tells what a library's warning means, unless that is nothing."""
        if words := in_our_words(library, warning):
            self._tell(words)
