"""Refuses answers of a hub whose headers would lead the client's files out of the cache.

The client makes names of files from what these headers say, and does not look at it.
"""

import functools
import re

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.utils._http import default_client_factory

from chords_cli.errors import verbatim
from chords_cli.hub.errors import not_a_hub

_NAMES = ("ETag", "X-Linked-Etag", "X-Repo-Commit")

_PATH = re.compile(r"\.{0,2}|.*[/\\\0].*", re.DOTALL)
"""What a name of a file is not; mirrors use other hashes than the hub, and other letters."""


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
        ChordsError: There is one.
    """
    for header in _NAMES if response.request.method == "HEAD" else ():
        name = response.headers.get(header, "plain").removeprefix("W/").strip('"')
        if _PATH.fullmatch(name):
            url = response.request.url
            told = f"its {header} is {name[:80]!r}, which is no name of a file"
            raise not_a_hub(f"{url.scheme}://{url.netloc.decode()}", verbatim(told))
