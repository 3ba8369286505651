"""A small hub on loopback that speaks enough of the hub's API, and misbehaves on request.

Small files come straight from `resolve`; large ones by a redirect to another host (`localhost`),
which must never see a token, as on the real hub.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.hub.content import File, Repo

TOKEN = "hf_grantedGRANTEDgranted0123456789"
STRANGER = "hf_strangerSTRANGERstranger0123456"

_BLOCK = 1 << 16


@dataclass
class Fault:
    """What goes wrong with requests whose path ends in `path`, `times` times.

    Attributes:
        kind: `drop` after `after` bytes, `stall` there until the server ends, `wrong` bytes,
            `short` by half, `ignore` the range, `busy` with content alone, or `status` with all.
        after: Of the body.
        status: With `kind` `status`.
        headers: Sent with it.
    """

    path: str
    kind: str
    times: int = 1
    after: int = 0
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    range: str | None
    token: str | None


class FakeHub:
    """The server's state: repositories, faults, what came.

    Attributes:
        stop_after: Bytes of file content after which every stream stalls.
        stalled: Set when a stream stalls.
    """

    def __init__(self, repos: dict[str, Repo]) -> None:
        self.repos, self.faults = repos, list[Fault]()
        self.seen, self.served = list[Seen](), 0
        self.stop_after: int | None = None
        self.stalled, self.ended = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fetched(self) -> list[str]:
        """The paths of all files whose content was asked for, in order."""
        hashes = {
            file.sha256: path
            for repo in self.repos.values()
            for path, file in repo.files.items()
            if file.large
        }
        found = []
        for seen in self.seen:
            if seen.method == "GET" and seen.path.startswith("/cdn/"):
                found.append(hashes[seen.path.removeprefix("/cdn/")])
            elif seen.method == "GET" and "/resolve/" in seen.path:
                path = seen.path.split("/resolve/")[1].split("/", 1)[1]
                if not self._file(seen.path).large:
                    found.append(path)
        return found

    def resumed(self) -> list[str]:
        """The ranges that were asked for."""
        return [seen.range for seen in self.seen if seen.range and "/cdn/" in seen.path]

    def fault_for(self, path: str, kinds: tuple[str, ...]) -> Fault | None:
        """The next fault of that path, used up."""
        with self.lock:
            for fault in self.faults:
                if path.endswith(fault.path) and fault.kind in kinds and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def _file(self, path: str) -> File:
        repo, rest = path.lstrip("/").split("/resolve/")
        return self.repos[repo].files[rest.split("/", 1)[1]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        with self.hub.lock:
            seen = Seen(self.command, path, self.headers.get("Range"), token)
            self.hub.seen.append(seen)
        try:
            fault = self.hub.fault_for(path, ("status",))
            if fault:
                self._empty(fault.status, fault.headers)
            elif path.startswith("/cdn/"):
                self._content(path.removeprefix("/cdn/"))
            elif path.startswith("/api/models/"):
                self._api(path.removeprefix("/api/models/"), token)
            elif "/resolve/" in path:
                self._resolve(path, token)
            elif path.startswith("/plain/"):
                self._json(["not a model"])
            else:
                self._empty(404)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _api(self, path: str, token: str | None) -> None:
        name, rest = "/".join(path.split("/")[:2]), path.split("/")[2:]
        repo = self._allowed(name, rest[1] if len(rest) > 1 else "main", token)
        if repo is None:
            return
        files = [self._entry(repo, path, file) for path, file in sorted(repo.files.items())]
        if rest[:1] == ["tree"]:
            self._json([_tree_entry(entry) for entry in files])
        else:
            self._json(
                {
                    "id": name,
                    "sha": repo.commit,
                    "private": repo.private,
                    "gated": "auto" if repo.gated else False,
                    "tags": [],
                    "siblings": files,
                }
            )

    def _resolve(self, path: str, token: str | None) -> None:
        name, rest = path.lstrip("/").split("/resolve/")
        revision, file_path = rest.split("/", 1)
        repo = self._allowed(name, revision, token)
        if repo is None:
            return
        if repo.gated and token != TOKEN:
            page = f"{self.hub.endpoint}/{name}"
            message = f"Access to model {name} is restricted. Visit {page} to ask for access."
            status = 403 if token else 401
            self._empty(status, {"X-Error-Code": "GatedRepo", "X-Error-Message": message})
            return
        file = repo.files.get(file_path)
        if file is None:
            self._empty(404, {"X-Error-Code": "EntryNotFound"})
            return
        known = {"X-Repo-Commit": repo.commit, "ETag": f'"{file.etag}"'}
        if file.large:
            known |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
            where = f"http://localhost:{self.hub.port}/cdn/{file.sha256}"
            self._empty(302, known | {"Location": where})
        elif self.command == "HEAD":
            self._head(200, file.size, known)
        else:
            self._send(file_path, file, known)

    def _content(self, sha256: str) -> None:
        """A large file from the other host, which signs its addresses and knows no tokens."""
        if self.headers.get("Authorization"):
            self._empty(400, {"X-Error-Message": "a token came along"})
            return
        path, file = next(
            (path, file)
            for repo in self.hub.repos.values()
            for path, file in repo.files.items()
            if file.sha256 == sha256
        )
        self._send(path, file, {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"})

    def _send(self, path: str, file: File, headers: dict[str, str]) -> None:
        body, status, start = file.content, 200, 0
        if busy := self.hub.fault_for(path, ("busy",)):
            self._empty(busy.status, busy.headers)
            return
        asked = self.headers.get("Range")
        if asked and not self.hub.fault_for(path, ("ignore",)):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            status, body = 206, body[start:]
            headers |= {"Content-Range": f"bytes {start}-{file.size - 1}/{file.size}"}
        if self.hub.fault_for(path, ("wrong",)):
            body = body[::-1]
        if self.hub.fault_for(path, ("short",)):
            body = body[: len(body) // 2]
        cut = self.hub.fault_for(path, ("drop", "stall"))
        self._head(status, len(body), headers)
        for at in range(0, len(body), _BLOCK):
            block = body[at : at + _BLOCK]
            if cut and at + len(block) > cut.after:
                self.wfile.write(block[: max(cut.after - at, 0)])
                if cut.kind == "stall":
                    self._stall()
                self.close_connection = True
                return
            self._allow(len(block))
            self.wfile.write(block)

    def _allow(self, count: int) -> None:
        """Lets content through until `stop_after` is reached."""
        with self.hub.lock:
            self.hub.served += count
            over = self.hub.stop_after is not None and self.hub.served > self.hub.stop_after
        if over:
            self._stall()

    def _stall(self) -> None:
        self.wfile.flush()
        self.hub.stalled.set()
        self.hub.ended.wait()

    def _allowed(self, name: str, revision: str, token: str | None) -> Repo | None:
        """The repository, or None after a refusal was sent."""
        repo = self.hub.repos.get(name)
        if token not in (None, TOKEN, STRANGER):
            known = {"X-Error-Message": "Invalid credentials in Authorization header"}
            self._json({"error": f"{token} is no token"}, 401, known)
        elif repo is None or (repo.private and token != TOKEN):
            self._empty(404 if token else 401, {"X-Error-Code": "RepoNotFound"})
        elif revision not in ("main", "v1", repo.commit):
            self._empty(404, {"X-Error-Code": "RevisionNotFound"})
        else:
            return repo
        return None

    def _entry(self, repo: Repo, path: str, file: File) -> dict[str, Any]:
        size = repo.claimed.get(path, file.size)
        lfs = {"lfs": {"size": size, "sha256": file.sha256, "pointerSize": 130}}
        entry = {"rfilename": path, "size": size, "blobId": file.blob_id}
        return entry | lfs if file.large else entry

    def _json(
        self, document: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps(document).encode()
        self._head(status, len(body), {"Content-Type": "application/json"} | (headers or {}))
        self.wfile.write(body)

    def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._head(status, 0, headers or {})

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _tree_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """A file of the model's information as the tree lists it."""
    told = {"type": "file", "path": entry["rfilename"], "size": entry["size"]}
    lfs = entry.get("lfs")
    if lfs:
        told["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": 130}
    return told | {"oid": entry["blobId"]}


@contextmanager
def serving(repos: dict[str, Repo]) -> Iterator[FakeHub]:
    """A hub with these repositories, for as long as the block runs."""
    hub = FakeHub(repos)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    try:
        yield hub
    finally:
        hub.ended.set()
        server.shutdown()
        server.server_close()
