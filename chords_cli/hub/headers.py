"""Refuses answers of a hub whose headers would lead the client's files out of the cache.

The client makes names of files from what these headers say, and does not look at it.
"""

import functools
import re

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.utils._http import default_client_factory

_NAMES = ("ETag", "X-Linked-Etag", "X-Repo-Commit")

_PLAIN = re.compile(r"[\w-]+(\.[\w-]+)*")


@functools.cache
def check_all_headers() -> None:
    """Has the client check what every hub answers, from now on."""
    set_client_factory(_careful_client)


def _careful_client() -> httpx2.Client:
    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks.get("response", ()), _check]}
    return client


def _check(response: httpx2.Response) -> None:
    """Refuses names that are paths; those of files come with answers to HEAD.

    Raises:
        ValueError: There is one.
    """
    for header in _NAMES if response.request.method == "HEAD" else ():
        name = response.headers.get(header, "plain").removeprefix("W/").strip('"')
        if not _PLAIN.fullmatch(name):
            raise ValueError(f"{header} is {name[:80]!r}, which is no name of a file")
