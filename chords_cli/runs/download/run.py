"""Models into the hub's cache: what a run opens, no more, and never twice.

Everything that can be refused (access, names, the disk) is refused before the first byte of
weights.
"""

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chords_cli.errors import ChordsError
from chords_cli.events import DownloadStarted, Event, FileArriving, FileFetched, FileRetried
from chords_cli.hub import find_snapshot
from chords_cli.hub.client import Hub
from chords_cli.hub.errors import offline
from chords_cli.hub.repository import INDEX, Listing, RemoteFile, UnloadableError, needed_files
from chords_cli.hub.transfer import Watch
from chords_cli.runs.download.parallel import run_in_parallel
from chords_cli.runs.download.targets import Target

Listener = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadRequest:
    """What is wanted.

    Attributes:
        targets: The models.
        cache: Where to; None for the ordinary cache.
        force: Whether files that are there are fetched again.
        max_workers: How many files at once.
    """

    targets: Sequence[Target]
    cache: Path | None = None
    force: bool = False
    max_workers: int = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that a run opens, and how many of its bytes are there."""

    file: RemoteFile
    there: int


@dataclass(frozen=True, slots=True)
class Order:
    """A model and what it takes to have it.

    Attributes:
        listing: None where the hub has no say: a local folder, or all is there and the user is
            offline.
        folder: Where the model is, or will be.
        size: Of all files that a run opens.
    """

    target: Target
    listing: Listing | None
    folder: Path
    size: int
    files: tuple[Wanted, ...] = ()

    @property
    def left(self) -> int:
        """The bytes that are to come."""
        return sum(wanted.file.size - wanted.there for wanted in self.files)


def plan_download(request: DownloadRequest) -> dict[str, Any]:
    """What `download` would fetch, as a document; nothing is written.

    Raises:
        ChordsError: The hub cannot be reached, or refuses.
    """
    hub = Hub(cache=request.cache)
    orders = [_order(hub, target, request.force) for target in request.targets]
    return _document(hub, orders, seconds=None)


def download(request: DownloadRequest, listener: Listener) -> dict[str, Any]:
    """Fetches what is not there and returns what was fetched, as a document.

    Raises:
        ChordsError: The hub cannot be reached or refuses, the disk is too small, or a file did
            not come. What has arrived stays, and the next call goes on from there.
    """
    began = time.monotonic()
    hub = Hub(cache=request.cache)
    orders = [_order(hub, target, request.force) for target in request.targets]
    _check_disk(hub, orders)
    for order in orders:
        if order.listing:
            _Delivery(hub, order, order.listing, listener).bring(request)
    return _document(hub, orders, seconds=round(time.monotonic() - began, 3))


def _order(hub: Hub, target: Target, force: bool) -> Order:
    """What is needed of a target, and what of it is there."""
    if target.folder:
        return Order(target, None, target.folder, 0)
    if hub.offline:
        found = find_snapshot(target.repo, target.revision, hub.cache)
        if found.state != "complete" or not found.folder or force:
            raise offline(target.repo)
        return Order(target, None, found.folder, found.bytes)
    listing = hub.listing(target.repo, target.revision)
    try:
        names = needed_files(listing.files, partial(hub.read_json, listing))
    except UnloadableError as error:
        raise ChordsError(
            f"{target.repo}: {error}",
            "choose a repository in the format of diffusers, with safetensors",
        ) from error
    needed = [listing.files[name] for name in names]
    files = tuple(Wanted(file, 0 if force else hub.arrived(listing, file)) for file in needed)
    size = sum(file.size for file in needed)
    return Order(target, listing, hub.snapshot(listing), size, files)


def _check_disk(hub: Hub, orders: Sequence[Order]) -> None:
    left, free = sum(order.left for order in orders), free_bytes(hub.cache)
    if left > free:
        raise ChordsError(
            f"{_gigabytes(left)} are to be fetched, but {hub.cache} has {_gigabytes(free)} left",
            "make room there, or name another folder with --cache-dir or HF_HOME",
        )


class _Delivery:
    """One model on its way."""

    def __init__(self, hub: Hub, order: Order, listing: Listing, listener: Listener) -> None:
        self._hub, self._order, self._listing, self._listener = hub, order, listing, listener
        self._stop, self._one_by_one = threading.Event(), threading.Lock()
        self._ended = False

    def bring(self, request: DownloadRequest) -> None:
        order = self._order
        self._tell(
            DownloadStarted(
                model=order.target.name,
                sizes={wanted.file.path: wanted.file.size for wanted in order.files},
                held={wanted.file.path: wanted.there for wanted in order.files},
            )
        )
        files = sorted((wanted.file for wanted in order.files), key=lambda file: -file.size)
        tasks = [partial(self._fetch, file, force=request.force) for file in files]
        try:
            run_in_parallel(tasks, request.max_workers, self._stop)
        finally:
            self._end()
        self._hub.finish(self._listing)

    def _fetch(self, file: RemoteFile, *, force: bool) -> None:
        model = self._order.target.name
        name: dict[str, Any] = {"model": model, "path": file.path}
        watch = Watch(
            arrived=lambda done: self._tell(FileArriving(**name, done=done, total=file.size)),
            retries=lambda why, wait: self._tell(FileRetried(**name, reason=why, seconds=wait)),
            stop=self._stop,
        )
        if self._hub.fetch(self._listing, file, watch, force=force):
            self._tell(FileFetched(**name, total=file.size))
        if file.path != INDEX:
            self._hub.link(self._listing, file.path)

    def _tell(self, event: Event) -> None:
        with self._one_by_one:
            if not self._ended:
                self._listener(event)

    def _end(self) -> None:
        """Files that were on their way when another failed are not heard of any more.

        What is said of the failure is the last word.
        """
        with self._one_by_one:
            self._ended = True


def free_bytes(folder: Path) -> int:
    """What the disk under `folder`, which need not exist yet, can take."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    return shutil.disk_usage(there).free


def _document(hub: Hub, orders: Sequence[Order], seconds: float | None) -> dict[str, Any]:
    return {
        "schema": 1,
        "command": "download",
        "dry_run": seconds is None,
        "models": [_entry(order) for order in orders],
        "bytes": sum(order.size for order in orders),
        "to_fetch" if seconds is None else "fetched": sum(order.left for order in orders),
        "cache": str(hub.cache),
        "free": free_bytes(hub.cache),
        "seconds": seconds,
    }


def _entry(order: Order) -> dict[str, Any]:
    return {
        "model": order.target.name,
        "repo": order.target.repo or None,
        "revision": order.target.revision,
        "commit": order.listing.commit if order.listing else None,
        "gated": order.listing.gated if order.listing else None,
        "path": str(order.folder),
        "bytes": order.size,
        "files": [
            {"path": wanted.file.path, "bytes": wanted.file.size, "there": wanted.there}
            for wanted in order.files
        ],
    }


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
