"""Fetches one file over an unreliable line; resumes where it was cut, checks it when complete.

What has arrived is in a part file that outlives the process, so that the next process continues
from there. The bytes come from a function that is passed in; nothing here knows hubs or caches.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chords_cli.errors import ChordsError

DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each new attempt; they start again once something has arrived."""

_BLOCK = 1 << 20


class TransientError(Exception):
    """Something went wrong that may not go wrong again.

    Args:
        reason: What happened, in a few words.
        wait: How many seconds the other side asks us to wait; None when it does not say.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


class StoppedError(Exception):
    """The transfer was asked to stop; its part file stays."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to fetch.

    Attributes:
        name: The name that users see.
        size: Its size in bytes.
        etag: Its SHA-256, or git's SHA-1 of it (40 digits).
        open: Takes an offset; returns the offset where the stream really begins, and the stream.
    """

    name: str
    size: int
    etag: str
    open: Callable[[int], AbstractContextManager[tuple[int, Iterable[bytes]]]]


@dataclass(frozen=True, slots=True)
class Watch:
    """The caller's view of a transfer: progress, and the way to stop it.

    Attributes:
        arrived: Called with the number of bytes that have arrived.
        retries: Called with the reason why the transfer waits, and for how many seconds.
        stop: Set by the caller to end it.
    """

    arrived: Callable[[int], None]
    retries: Callable[[str, float], None]
    stop: threading.Event


def receive(source: Source, part: Path, watch: Watch) -> None:
    """Completes the file `part` and checks it.

    Raises:
        ChordsError: The file could not be fetched, or arrived with a wrong hash twice.
        StoppedError: `watch` stopped it.
    """
    failures = wrong = 0
    with _Part(source, part) as file:
        while True:
            before = file.size
            try:
                _attempt(source, file, watch)
                return
            except _WrongError as error:
                failures, wrong = 0, wrong + 1
                if wrong == 2:
                    raise ChordsError(
                        f"{source.name} came with {error.reason}, twice",
                        "what the hub sends is not what it lists; try again later",
                    ) from None
                reason, wait = error.reason, 0.0
            except TransientError as error:
                failures = 1 if file.size > before else failures + 1
                if failures > len(DELAYS):
                    raise ChordsError(
                        f"{source.name} could not be fetched: {error.reason}",
                        "the same command goes on where this one ended",
                    ) from error
                reason, wait = error.reason, error.wait or DELAYS[failures - 1]
            watch.retries(reason, wait)
            if watch.stop.wait(wait):
                raise StoppedError


def matches(path: Path, etag: str) -> bool:
    """Tells whether a file has this SHA-256, or this SHA-1 as git calculates it."""
    digest = _digest(etag, path.stat().st_size)
    _feed(digest, path)
    return bool(digest.hexdigest() == etag)


class _WrongError(TransientError):
    """The file is complete, but it is not the one that was asked for."""


class _Part:
    """The part file, its size and the hash of its content."""

    def __init__(self, source: Source, path: Path) -> None:
        self._source, self._path = source, path
        self._file = path.open("ab", buffering=0)
        self.size = path.stat().st_size
        self._digest = _digest(source.etag, source.size)
        if self.size > source.size:
            self.restart()
        else:
            _feed(self._digest, path)

    def __enter__(self) -> "_Part":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def append(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[self._file.write(view) :]
        self._digest.update(block)
        self.size += len(block)

    def restart(self) -> None:
        os.ftruncate(self._file.fileno(), 0)
        self._digest, self.size = _digest(self._source.etag, self._source.size), 0

    @property
    def etag(self) -> str:
        return str(self._digest.hexdigest())


def _attempt(source: Source, file: _Part, watch: Watch) -> None:
    """Receives what comes until the stream ends, and checks the file."""
    watch.arrived(file.size)
    if file.size < source.size:
        with source.open(file.size) as (start, blocks):
            if start != file.size:
                file.restart()
            for block in blocks:
                if watch.stop.is_set():
                    raise StoppedError
                file.append(block)
                watch.arrived(file.size)
    if file.size < source.size:
        raise TransientError(f"only {file.size} of {source.size} bytes came")
    if file.etag != source.etag:
        found = f"the hash {file.etag[:12]} instead of {source.etag[:12]}"
        file.restart()
        raise _WrongError(found)


def _digest(etag: str, size: int) -> Any:
    """Begins the kind of hash that `etag` is: SHA-256, or git's SHA-1 of a file of that size."""
    if len(etag) == 64:
        return hashlib.sha256()
    return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)


def _feed(digest: Any, path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
