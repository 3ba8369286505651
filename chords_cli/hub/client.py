"""Asks the hub what it lists, and fetches files from it into the cache.

The client of huggingface_hub asks, streams, links and keeps the cache in order, so that `hf` and
diffusers find what they expect. The bytes come through `transfer`, because that client starts a
file again from its beginning when the connection was cut.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from filelock import Timeout
from huggingface_hub import HfApi, constants, hf_hub_download, hf_hub_url
from huggingface_hub.utils import (
    WeakFileLock,
    build_hf_headers,
    disable_progress_bars,
    get_token_to_send,
    hf_raise_for_status,
    http_stream_backoff,
    logging,
)

from chords_cli.errors import ChordsError, UsageError, verbatim
from chords_cli.hub import errors
from chords_cli.hub.cache import cache_folder, storage
from chords_cli.hub.errors import Access
from chords_cli.hub.headers import check_all_headers
from chords_cli.hub.names import strange_name
from chords_cli.hub.repository import Listing, RemoteFile
from chords_cli.hub.token import is_token
from chords_cli.hub.transfer import DELAYS, Source, StoppedError, Watch, matches, receive

T = TypeVar("T")

_BLOCK = 1 << 18
_LOCK_POLL = 1.0


class Hub:
    """A connection to the hub; sends the token of HF_TOKEN or `hf auth login`, if there is one.

    Args:
        endpoint: The hub's address; None for the one in HF_ENDPOINT, or else the public hub.
        cache: Where files go; None for the ordinary cache.

    Attributes:
        endpoint: The address without credentials, to be shown.
        cache: The cache's folder.
        offline: Whether the user has forbidden the network.

    Raises:
        UsageError: The token or the address is unusable.
    """

    def __init__(self, endpoint: str | None = None, cache: Path | None = None) -> None:
        logging.set_verbosity(logging.CRITICAL)
        disable_progress_bars()
        check_all_headers()
        self.cache = cache_folder(cache)
        self.offline = constants.is_offline_mode()
        address = endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
        self._address = address.rstrip("/")
        self.endpoint = _without_credentials(self._address)
        self._token = get_token_to_send(None)
        if self._token and not is_token(self._token):
            raise UsageError(
                "the token has spaces or letters that no token has",
                "copy it again from https://huggingface.co/settings/tokens",
            )

    def listing(self, repo: str, revision: str | None) -> Listing:
        """Returns all files of a repository with sizes and hashes.

        Raises:
            ChordsError: The hub cannot be reached, or refuses.
        """
        api = HfApi(self._address, token=self._token or False)
        info = self._ask(
            repo,
            revision,
            lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=20),
        )
        if info.sha is None:
            raise errors.not_a_hub(self.endpoint, "it names no commit")
        files = {
            file.rfilename: RemoteFile(file.rfilename, file.lfs.size, file.lfs.sha256)
            if file.lfs
            else RemoteFile(file.rfilename, file.size or 0, file.blob_id or "")
            for file in info.siblings or ()
        }
        hashes = {path: file.etag for path, file in files.items()}
        if (strange := strange_name(info.sha, hashes)) is not None:
            raise errors.not_a_hub(self.endpoint, f"it lists {verbatim(strange[:80]) or 'nothing'}")
        return Listing(repo, revision, info.sha, bool(info.gated), files)

    def read_json(self, listing: Listing, path: str) -> Any:
        """Returns a small file's content, from the cache if it is present; writes nothing."""
        cached = self.local_file(listing, listing.files[path])
        if cached and matches(cached, listing.files[path].etag):
            return json.loads(cached.read_text(encoding="utf-8"))

        def request() -> Any:
            with self._response(listing, path, {}) as response:
                return json.loads(b"".join(response.iter_raw()))

        return self._ask(listing.repo, listing.revision, request)

    def local_file(self, listing: Listing, file: RemoteFile) -> Path | None:
        """Returns where the file is in the cache; None if it is missing or not of full size."""
        linked = self.snapshot(listing) / file.path
        for path in (linked, self._blob(listing, file)):
            if path.is_file() and path.stat().st_size == file.size:
                return path
        return None

    def arrived(self, listing: Listing, file: RemoteFile) -> int:
        """Counts the bytes of the file that are in the cache."""
        part = self._part(listing, file)
        with suppress(OSError):
            return file.size if self.local_file(listing, file) else part.stat().st_size
        return 0

    def snapshot(self, listing: Listing) -> Path:
        """Returns the folder that `link` fills."""
        return storage(listing.repo, self.cache) / "snapshots" / listing.commit

    def fetch(
        self, listing: Listing, file: RemoteFile, watch: Watch, *, force: bool = False
    ) -> bool:
        """Fetches a file into the cache and checks it.

        Processes that want the same file, `hf` included, wait for each other.

        Args:
            listing: The listing of its repository.
            file: The file.
            watch: Follows the transfer and may stop it.
            force: Whether to fetch the file again if it is present.

        Returns:
            False if the file was already present.

        Raises:
            ChordsError: It could not be fetched.
            StoppedError: `watch` stopped it.
        """
        if self.local_file(listing, file) and not force:
            return False
        blob, part = self._blob(listing, file), self._part(listing, file)
        source = Source(
            file.path, file.size, file.etag, lambda start: self._stream(listing, file, start)
        )
        try:
            blob.parent.mkdir(parents=True, exist_ok=True)
            with self._lock(listing, file, watch):
                if self.local_file(listing, file) and not force:
                    return False
                if force:
                    part.unlink(missing_ok=True)
                receive(source, part, watch)
                part.replace(blob)
        except OSError as error:
            raise errors.unusable_cache(str(blob.parent), str(error.strerror)) from error
        return True

    def link(self, listing: Listing, path: str, revision: str | None = None) -> Path:
        """Gives a fetched file its name in the snapshot, and returns the path of that name.

        Args:
            listing: The listing of its repository.
            path: The file's path in the repository.
            revision: A branch or tag that names this snapshot from now on.

        Raises:
            ChordsError: The hub refuses.
        """

        def request() -> str:
            return hf_hub_download(
                listing.repo,
                path,
                revision=revision or listing.commit,
                cache_dir=self.cache,
                token=self._token or False,
                endpoint=self._address,
            )

        return Path(self._ask(listing.repo, listing.revision, request))

    def finish(self, listing: Listing, last: str) -> Path:
        """Links the last file, such as the index, and makes this the snapshot of its revision.

        Whoever looks for the model finds either the previous snapshot or all of this one.

        Raises:
            ChordsError: The branch has moved since the listing was made.
        """
        folder = self.snapshot(listing)
        if self.link(listing, last, listing.revision or "main") != folder / last:
            raise ChordsError(
                f"{listing.repo} changed while it was downloaded", "type the same command again"
            )
        return folder

    def _blob(self, listing: Listing, file: RemoteFile) -> Path:
        return storage(listing.repo, self.cache) / "blobs" / file.etag

    def _part(self, listing: Listing, file: RemoteFile) -> Path:
        return self._blob(listing, file).with_name(f"{file.etag}.incomplete")

    @contextmanager
    def _lock(self, listing: Listing, file: RemoteFile, watch: Watch) -> Iterator[None]:
        """Holds the lock that the client uses for that file; `watch` may end the wait for it."""
        path = self.cache / ".locks" / storage(listing.repo).name / f"{file.etag}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            for attempt in count():
                if watch.stop.is_set():
                    raise StoppedError
                with suppress(Timeout):
                    held.enter_context(WeakFileLock(path, timeout=_LOCK_POLL))
                    break
                if attempt == 0:
                    watch.retries("another process is fetching it", _LOCK_POLL)
                watch.arrived(self.arrived(listing, file))
            yield

    @contextmanager
    def _stream(
        self, listing: Listing, file: RemoteFile, start: int
    ) -> Iterator[tuple[int, Iterable[bytes]]]:
        """Opens the file from `start` on; yields where the stream really begins, and its bytes."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._response(listing, file.path, headers) as response:
            yield (start if response.status_code == 206 else 0), response.iter_raw(_BLOCK)

    @contextmanager
    def _response(self, listing: Listing, path: str, headers: dict[str, str]) -> Iterator[Any]:
        """Requests a file and yields the answer.

        Raises:
            TransientError: The connection broke, or the hub is busy.
            ChordsError: The hub refuses.
        """
        sent = build_hf_headers(token=self._token or False) | {"Accept-Encoding": "identity"}
        try:
            with http_stream_backoff(
                "GET",
                hf_hub_url(listing.repo, path, revision=listing.commit, endpoint=self._address),
                headers=sent | headers,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                retry_on_exceptions=(),
                retry_on_status_codes=(),
            ) as response:
                hf_raise_for_status(response)
                yield response
        except httpx2.HTTPError as error:
            access = Access(self.endpoint, listing.repo, listing.revision, bool(self._token))
            raised = errors.transient(error) or errors.explain(error, access)
            raise raised from errors.harmless(error, self._token)

    def _ask(self, repo: str, revision: str | None, request: Callable[[], T]) -> T:
        """Makes a request, and repeats it while the hub is busy.

        Raises:
            ChordsError: The hub refuses, or cannot be reached.
        """
        for delay in (*DELAYS, None):
            try:
                return request()
            except errors.FAILURES as error:
                busy = errors.busy(error)
                if delay is None or busy is None:
                    access = Access(self.endpoint, repo, revision, bool(self._token))
                    raise errors.explain(error, access) from errors.harmless(error, self._token)
            time.sleep(busy.wait or delay)
        raise AssertionError("the last delay is None")


def _without_credentials(address: str) -> str:
    """Returns the hub's address without user and password.

    Raises:
        UsageError: It is not an address.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"HF_ENDPOINT is {address!r}, but must be an address such as https://huggingface.co",
            "correct HF_ENDPOINT, or unset it",
        )
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
