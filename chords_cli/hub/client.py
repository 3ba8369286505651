"""The hub itself: what it lists, and files from it into the cache.

Huggingface_hub's client asks, streams, links and keeps the cache in order, so that `hf` and
diffusers see what they know. The bytes come through `transfer`, because that client begins a cut
file anew.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
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

from chords_cli.errors import ChordsError, UsageError
from chords_cli.hub import answers, refusals
from chords_cli.hub.cache import cache_folder, storage
from chords_cli.hub.repository import INDEX
from chords_cli.hub.transfer import DELAYS, Source, StoppedError, Watch, bring, matches

T = TypeVar("T")

_BLOCK = 1 << 18
_LOCK_POLL = 1.0


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository; `etag` is its SHA-256, or git's SHA-1 of a small one."""

    path: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit; `revision` is what was asked for."""

    repo: str
    revision: str | None
    commit: str
    gated: bool
    files: Mapping[str, RemoteFile]


class Hub:
    """A conversation with the hub; sends the token of HF_TOKEN or `hf auth login`, if any.

    Args:
        cache: Where files go; None for the ordinary cache.

    Raises:
        UsageError: The token or HF_ENDPOINT is unusable.
    """

    def __init__(self, cache: Path | None = None) -> None:
        logging.set_verbosity(logging.CRITICAL)
        disable_progress_bars()
        self.cache = cache_folder(cache)
        self.offline = constants.HF_HUB_OFFLINE
        self.endpoint = _endpoint(constants.ENDPOINT)
        self._token = _checked(get_token_to_send(None))

    def listing(self, repo: str, revision: str | None) -> Listing:
        """All files of a repository with sizes and hashes.

        Raises:
            ChordsError: The hub cannot be reached, or refuses.
        """
        api = HfApi(token=self._token or False)
        info = self._ask(
            repo,
            revision,
            lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=20),
        )
        if info.sha is None:
            raise refusals.not_a_hub(self.endpoint, "it names no commit")
        files = [_remote_file(sibling) for sibling in info.siblings or ()]
        return Listing(
            repo, revision, info.sha, bool(info.gated), {file.path: file for file in files}
        )

    def read_json(self, listing: Listing, path: str) -> Any:
        """A small file's content, from the cache where it is there; nothing is written."""
        known = self.local_file(listing, listing.files[path])
        if known and matches(known, listing.files[path].etag):
            return json.loads(known.read_text(encoding="utf-8"))
        return self._ask(
            listing.repo, listing.revision, lambda: json.loads(self._bytes(listing, path))
        )

    def local_file(self, listing: Listing, file: RemoteFile) -> Path | None:
        """Where the file lies complete in the cache, by size."""
        linked = self.snapshot(listing) / file.path
        for path in (linked, self._blob(listing, file)):
            if path.is_file() and path.stat().st_size == file.size:
                return path
        return None

    def arrived(self, listing: Listing, file: RemoteFile) -> int:
        """How many bytes of the file are in the cache."""
        part = self._part(listing, file)
        with suppress(OSError):
            return file.size if self.local_file(listing, file) else part.stat().st_size
        return 0

    def snapshot(self, listing: Listing) -> Path:
        """The folder that `link` makes."""
        return storage(listing.repo, self.cache) / "snapshots" / listing.commit

    def fetch(
        self, listing: Listing, file: RemoteFile, watch: Watch, *, anew: bool = False
    ) -> bool:
        """Brings a file into the cache and checks it; False when it was there already.

        Others who want the same file, `hf` included, wait for each other.

        Raises:
            ChordsError: It did not come.
            StoppedError: `watch` stopped it.
        """
        if self.local_file(listing, file) and not anew:
            return False
        blob, part = self._blob(listing, file), self._part(listing, file)
        try:
            blob.parent.mkdir(parents=True, exist_ok=True)
            with self._lock(listing, file, watch):
                if self.local_file(listing, file) and not anew:
                    return False
                if anew:
                    part.unlink(missing_ok=True)
                bring(self._source(listing, file), part, watch)
                part.replace(blob)
        except OSError as error:
            raise refusals.unusable_cache(str(blob.parent), str(error.strerror)) from error
        return True

    def link(self, listing: Listing, path: str, revision: str | None = None) -> Path:
        """Gives a file that was fetched its name in the snapshot.

        Args:
            listing: Of its repository.
            path: The file's.
            revision: A branch or tag whose snapshot this shall be, once `path` is linked.

        Raises:
            ChordsError: The hub refuses.
        """
        return Path(
            self._ask(
                listing.repo,
                listing.revision,
                lambda: hf_hub_download(
                    listing.repo,
                    path,
                    revision=revision or listing.commit,
                    cache_dir=self.cache,
                    token=self._token or False,
                ),
            )
        )

    def finish(self, listing: Listing) -> Path:
        """Makes the snapshot, of which all else is linked, the one of its revision.

        Whoever looks for the model sees either the last one or all of this one.

        Raises:
            ChordsError: The branch moved meanwhile.
        """
        folder = self.snapshot(listing)
        if self.link(listing, INDEX, listing.revision or "main").parent != folder:
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
        """The client's own lock of that file, given up when `watch` says stop."""
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

    def _source(self, listing: Listing, file: RemoteFile) -> Source:
        return Source(file.path, file.size, file.etag, lambda at: self._stream(listing, file, at))

    @contextmanager
    def _stream(
        self, listing: Listing, file: RemoteFile, offset: int
    ) -> Iterator[tuple[int, Iterable[bytes]]]:
        """The file from `offset` on: where it really begins, and its bytes."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._response(listing, file.path, headers) as response:
            yield (offset if response.status_code == 206 else 0), response.iter_raw(_BLOCK)

    def _bytes(self, listing: Listing, path: str) -> bytes:
        """A small file in full."""
        with self._response(listing, path, {}) as response:
            return b"".join(response.iter_raw())

    @contextmanager
    def _response(self, listing: Listing, path: str, headers: dict[str, str]) -> Iterator[Any]:
        """The answer to a request for a file.

        Raises:
            TransientError: The line broke, or the hub is busy.
            ChordsError: The hub refuses.
        """
        sent = build_hf_headers(token=self._token or False) | {"Accept-Encoding": "identity"}
        try:
            with http_stream_backoff(
                "GET",
                hf_hub_url(listing.repo, path, revision=listing.commit),
                headers=sent | headers,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                retry_on_exceptions=(),
                retry_on_status_codes=(),
            ) as response:
                hf_raise_for_status(response)
                yield response
        except httpx2.HTTPError as error:
            again = answers.transient(error)
            raised = again or answers.explain(error, self._question(listing.repo, listing.revision))
            raise raised from answers.harmless(error, self._token)

    def _ask(self, repo: str, revision: str | None, question: Callable[[], T]) -> T:
        """Asks, and asks again where the hub is busy.

        Raises:
            ChordsError: It refuses, or cannot be reached.
        """
        for delay in (*DELAYS, None):
            try:
                return question()
            except answers.FAILURES as error:
                patience = answers.busy(error)
                if delay is None or patience is None:
                    explained = answers.explain(error, self._question(repo, revision))
                    raise explained from answers.harmless(error, self._token)
            time.sleep(patience.wait or delay)
        raise AssertionError("the last delay is None")

    def _question(self, repo: str, revision: str | None) -> refusals.Question:
        return refusals.Question(self.endpoint, repo, revision, logged_in=bool(self._token))


def _endpoint(address: str) -> str:
    """The hub's address without credentials.

    Raises:
        UsageError: It is no address.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"HF_ENDPOINT is {address!r}, but must be an address such as https://huggingface.co",
            "correct HF_ENDPOINT, or unset it",
        )
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _checked(token: str | None) -> str | None:
    """A token that can be sent.

    Raises:
        UsageError: It has characters that no token has.
    """
    if token and not all("!" <= letter <= "~" for letter in token):
        raise UsageError(
            "the token has spaces or letters that no token has",
            "copy it again from https://huggingface.co/settings/tokens",
        )
    return token


def _remote_file(sibling: Any) -> RemoteFile:
    if sibling.lfs:
        return RemoteFile(sibling.rfilename, sibling.lfs.size, sibling.lfs.sha256)
    return RemoteFile(sibling.rfilename, sibling.size or 0, sibling.blob_id or "")
