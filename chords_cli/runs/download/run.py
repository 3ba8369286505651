"""Fetches models into the hub's cache: only the files that a run opens, and none of them twice.

Whatever can be refused (access, names, a disk that is too small) is refused before the first byte
of weights is fetched.
"""

import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chords_cli.errors import ChordsError, verbatim
from chords_cli.events import (
    DownloadStarted,
    Event,
    FileArriving,
    FileFetched,
    FileRetried,
    Listener,
)
from chords_cli.hub import find_snapshot
from chords_cli.hub.client import Hub
from chords_cli.hub.errors import offline
from chords_cli.hub.repository import INDEX, Listing, RemoteFile, UnloadableError, needed_files
from chords_cli.hub.transfer import Watch
from chords_cli.records.download import DownloadPlan, DownloadRecord, ModelFile, ModelFiles
from chords_cli.runs.download.parallel import run_in_parallel
from chords_cli.runs.download.targets import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadRequest:
    """What the user wants to download.

    Attributes:
        targets: The models.
        cache: The folder to fetch into; None for the ordinary cache.
        force: Whether to fetch files again that are present.
        max_workers: How many files to fetch at once.
    """

    targets: Sequence[Target]
    cache: Path | None = None
    force: bool = False
    max_workers: int = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that a run opens, and how many of its bytes are present."""

    file: RemoteFile
    present: int


@dataclass(frozen=True, slots=True)
class Order:
    """A model to fetch, and which of its files are missing.

    Attributes:
        listing: None if the hub need not be asked: for a local folder, and for a complete model
            while the user is offline.
        folder: Where the model is, or will be.
        size: The bytes of all files that a run opens.
        files: These files.
    """

    target: Target
    listing: Listing | None
    folder: Path
    size: int
    files: tuple[Wanted, ...] = ()

    @property
    def left(self) -> int:
        """The bytes that are missing."""
        return sum(wanted.file.size - wanted.present for wanted in self.files)

    @property
    def last(self) -> str:
        """The file that is linked last, so that whoever finds it finds all of the model."""
        names = [wanted.file.path for wanted in self.files]
        return INDEX if INDEX in names else names[0]


def plan_download(request: DownloadRequest) -> DownloadPlan:
    """Returns what `download` would fetch; writes nothing.

    Raises:
        ChordsError: The hub cannot be reached, or refuses.
    """
    hub = Hub(cache=request.cache)
    orders = [_make_order(hub, target, request.force) for target in request.targets]
    return DownloadPlan(
        schema=1,
        command="download",
        dry_run=True,
        models=tuple(map(_files, orders)),
        bytes=sum(order.size for order in orders),
        to_fetch=sum(order.left for order in orders),
        cache=str(hub.cache),
        free=free_bytes(hub.cache),
        seconds=None,
    )


def download(request: DownloadRequest, listener: Listener) -> DownloadRecord:
    """Fetches what is missing.

    Raises:
        ChordsError: The hub cannot be reached or refuses, the disk is too small, or a file could
            not be fetched. What has arrived stays, and the next call continues from there.
    """
    began = time.monotonic()
    hub = Hub(cache=request.cache)
    orders = [_make_order(hub, target, request.force) for target in request.targets]
    _check_disk(hub, orders)
    for order in orders:
        if order.listing:
            _Delivery(hub, order, order.listing, listener).run(request)
    return DownloadRecord(
        schema=1,
        command="download",
        dry_run=False,
        models=tuple(map(_files, orders)),
        bytes=sum(order.size for order in orders),
        fetched=sum(order.left for order in orders),
        cache=str(hub.cache),
        free=free_bytes(hub.cache),
        seconds=round(time.monotonic() - began, 3),
    )


def free_bytes(folder: Path) -> int:
    """Returns how many bytes are free on the disk of `folder`, which need not exist yet."""
    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    return shutil.disk_usage(existing).free


def _make_order(hub: Hub, target: Target, force: bool) -> Order:
    """Finds out which files of a target a run opens, and how much of them is present."""
    if target.folder:
        return Order(target, None, target.folder, 0)
    if hub.offline:
        found = find_snapshot(
            *(target.repo, target.revision, hub.cache),
            variant=target.variant,
            pieces=target.pieces,
        )
        if found.state != "complete" or not found.folder or force:
            raise offline(target.repo)
        return Order(target, None, found.folder, found.bytes)
    listing = hub.listing(target.repo, target.revision)
    try:
        read = partial(hub.read_json, listing)
        names = needed_files(listing.files, read, target.variant, target.pieces)
    except UnloadableError as error:
        hint = error.hint or "choose a repository in the format of diffusers, with safetensors"
        hint += ", or add {variant}" if error.variant else ""
        raise ChordsError(f"{target.repo}: {error}", hint, {"variant": error.variant}) from error
    needed = [listing.files[name] for name in names]
    files = tuple(Wanted(file, 0 if force else hub.arrived(listing, file)) for file in needed)
    size = sum(file.size for file in needed)
    return Order(target, listing, hub.snapshot(listing), size, files)


def _check_disk(hub: Hub, orders: Sequence[Order]) -> None:
    left, free = sum(order.left for order in orders), free_bytes(hub.cache)
    if left > free:
        raise ChordsError(
            f"{left / 1e9:.1f} GB are to be fetched, but {verbatim(hub.cache)} has "
            f"{free / 1e9:.1f} GB left",
            "make room there, or name another folder with {cache_dir:name} or HF_HOME",
            {"cache_dir": None},
        )


class _Delivery:
    """Fetches one model and tells its progress."""

    def __init__(self, hub: Hub, order: Order, listing: Listing, listener: Listener) -> None:
        self._hub, self._order, self._listing, self._listener = hub, order, listing, listener
        self._stop, self._telling = threading.Event(), threading.Lock()
        self._ended = False

    def run(self, request: DownloadRequest) -> None:
        """Fetches the missing files, `request.max_workers` at a time."""
        order = self._order
        self._tell(
            DownloadStarted(
                model=order.target.name,
                sizes={wanted.file.path: wanted.file.size for wanted in order.files},
                held={wanted.file.path: wanted.present for wanted in order.files},
            )
        )
        files = sorted((wanted.file for wanted in order.files), key=lambda file: -file.size)
        tasks = [partial(self._fetch, file, force=request.force) for file in files]
        try:
            run_in_parallel(tasks, request.max_workers, self._stop)
        finally:
            with self._telling:
                self._ended = True  # after a failure, tell nothing more about the other files
        self._hub.finish(self._listing, order.last)

    def _fetch(self, file: RemoteFile, *, force: bool) -> None:
        model, path, size = self._order.target.name, file.path, file.size

        def arrived(done: int) -> None:
            self._tell(FileArriving(model=model, path=path, done=done, total=size))

        def retries(reason: str, wait: float) -> None:
            self._tell(FileRetried(model=model, path=path, reason=reason, seconds=wait))

        watch = Watch(arrived, retries, self._stop)
        if self._hub.fetch(self._listing, file, watch, force=force):
            self._tell(FileFetched(model=model, path=path, total=size))
        if file.path != self._order.last:
            self._hub.link(self._listing, file.path)

    def _tell(self, event: Event) -> None:
        with self._telling:
            if not self._ended:
                self._listener(event)


def _files(order: Order) -> ModelFiles:
    listing = order.listing
    return ModelFiles(
        model=order.target.name,
        repo=order.target.repo or None,
        revision=order.target.revision,
        commit=listing.commit if listing else None,
        gated=listing.gated if listing else None,
        path=str(order.folder),
        bytes=order.size,
        files=tuple(
            ModelFile(path=wanted.file.path, bytes=wanted.file.size, there=wanted.present)
            for wanted in order.files
        ),
    )
