"""What the hub's refusals and the client's exceptions mean, and what users read about them.

Nothing here knows which file was wanted, only the repository and its revision.
"""

import traceback
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies

import httpx2
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import parse_ratelimit_headers

from chords_cli.errors import ChordsError, verbatim
from chords_cli.hub.transfer import TransientError

FAILURES = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(httpx2.HTTPError, TransientError, ImportError),
)
"""What the client raises when something is wrong with the hub, the network or the cache."""

_BUSY = (408, 429, 500, 502, 503, 504)
_LONGEST_WAIT = 300.0
_LOG_IN = "`hf auth login` or set HF_TOKEN"


@dataclass(frozen=True, slots=True)
class Access:
    """Who wants to read which repository.

    Attributes:
        endpoint: The address of the hub.
        repo: The repository.
        revision: None for the main branch.
        logged_in: Whether a token is sent.
    """

    endpoint: str
    repo: str
    revision: str | None
    logged_in: bool

    @property
    def page(self) -> str:
        """The repository's page, where licences are accepted."""
        return f"{self.endpoint}/{self.repo}"


def transient(error: Exception) -> TransientError | None:
    """Returns the error as a transient one; None if it would happen again."""
    if isinstance(error, httpx2.TransportError):
        return TransientError(_reason(error))
    return busy(error)


def busy(error: Exception) -> TransientError | None:
    """Returns the error as a transient one if the hub is busy; None for any other error."""
    if isinstance(error, TransientError):
        return error
    error = _cause(error)
    response = error.response if isinstance(error, HfHubHTTPError) else None
    if response is None or response.status_code not in _BUSY:
        return None
    limit = parse_ratelimit_headers(response.headers)
    asked = response.headers.get("Retry-After", "")
    seconds = limit.reset_in_seconds + 1 if limit and not limit.remaining else 0
    seconds = max(seconds, int(asked) if asked.isdigit() else 0)
    wait = min(float(seconds), _LONGEST_WAIT) or None
    return TransientError(f"the hub answered {response.status_code}", wait)


def explain(error: Exception, access: Access) -> ChordsError:
    """Returns what users see instead of one of `FAILURES`."""
    error = _cause(error)
    if isinstance(error, OfflineModeIsEnabled):
        return offline(access.repo)
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return _refusal(error.response, access)
    if isinstance(error, httpx2.TransportError | TransientError):
        return unreachable(access.endpoint, _reason(error))
    if isinstance(error, ImportError):
        return _unusable_proxy(error)
    if isinstance(error, ValueError) and "proxy" in str(error).lower():
        return ChordsError(
            "the address of the proxy cannot be used: it must begin with http://, https://, "
            "socks5:// or socks5h://",
            "correct or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
        )
    if isinstance(error, OSError) and error.filename:
        return unusable_cache(error.filename, str(error.strerror))
    return not_a_hub(access.endpoint, f"{type(error).__name__} in its answer")


def _unusable_proxy(error: ImportError) -> ChordsError:
    """Returns the error for a proxy that needs a package, as those of SOCKS do."""
    if "socksio" not in str(error):
        raise error
    address = next((value for value in getproxies().values() if "socks" in value), "of this kind")
    scheme, _, place = address.partition("://")
    return ChordsError(
        f"the proxy {scheme}://{place.rpartition('@')[2]} needs socksio, which is not installed",
        "pip install socksio, or unset ALL_PROXY and HTTPS_PROXY",
    )


def harmless(error: Exception, token: str | None) -> Exception | None:
    """Returns the error as a cause to show to developers; None if it contains the token."""
    text = "".join(traceback.format_exception(error))
    return None if token and token in text else error


def gated(access: Access) -> ChordsError:
    """Returns the error for a licence that has to be accepted first."""
    if access.logged_in:
        return ChordsError(
            f"{access.repo} is gated, and your token has no access to it",
            f"accept the licence at {access.page} with the token's account (`hf auth whoami`); a "
            f"fine-grained token must allow public gated repositories; or {_LOG_IN} again",
        )
    return ChordsError(
        f"{access.repo} is gated, and you are not logged in",
        f"accept the licence at {access.page}, then {_LOG_IN}",
    )


def unknown_repository(access: Access) -> ChordsError:
    """Returns the error for a repository that is private or missing; the hub does not say which."""
    login = (
        "your token's account must have access (`hf auth whoami`)" if access.logged_in else _LOG_IN
    )
    return ChordsError(
        f"{access.endpoint} has no repository {access.repo}, or it is private",
        f"check the name at {access.page}; if it is private, {login}",
    )


def unknown_revision(access: Access) -> ChordsError:
    """Returns the error for a name that no branch, tag or commit has."""
    return ChordsError(
        f"{access.repo} has no revision {access.revision!r}",
        f"{access.page}/tree/main lists its branches and tags",
    )


def lost_file(access: Access) -> ChordsError:
    """Returns the error for a file that the hub lists but does not have."""
    return ChordsError(
        f"{access.repo} lists a file that {access.endpoint} does not have",
        f"see {access.page}/tree/main, or name another {{revision:name}}",
        suggests={"revision": None},
    )


def refused_token(access: Access) -> ChordsError:
    """Returns the error for a token that this hub does not know."""
    return ChordsError(
        f"{access.endpoint} does not accept your token",
        f"make a new one at {access.endpoint}/settings/tokens, then {_LOG_IN}",
    )


def forbidden(access: Access) -> ChordsError:
    """Returns the error for access that is refused without a known reason."""
    return ChordsError(
        f"{access.endpoint} forbids access to {access.repo}",
        f"accept the licence at {access.page} if there is one, then {_LOG_IN}",
    )


def not_a_hub(endpoint: str, reason: str) -> ChordsError:
    """Returns the error for an address that answers, but not as the hub would."""
    return ChordsError(
        f"{endpoint} does not answer like a Hugging Face hub: {reason}",
        "check HF_ENDPOINT: without it the hub is https://huggingface.co",
    )


def unreachable(endpoint: str, reason: str) -> ChordsError:
    """Returns the error for an address that does not answer."""
    return ChordsError(
        f"{endpoint} cannot be reached: {reason}",
        "check the network, and HTTPS_PROXY and HF_ENDPOINT if they are set; what is complete in "
        "the cache runs without",
    )


def offline(repo: str) -> ChordsError:
    """Returns the error for an incomplete model while the user has forbidden the network."""
    return ChordsError(
        f"HF_HUB_OFFLINE is set, and {repo} is not complete on this machine",
        "unset HF_HUB_OFFLINE and type the same command again",
    )


def unusable_cache(file: str, reason: str) -> ChordsError:
    """Returns the error for a cache that cannot be written."""
    return ChordsError(
        f"{verbatim(file)}: {reason}",
        "choose another folder with {cache_dir:name} or HF_HOME, or fix this one",
        suggests={"cache_dir": None},
    )


_CODES = {
    "GatedRepo": gated,
    "RepoNotFound": unknown_repository,
    "RevisionNotFound": unknown_revision,
    "EntryNotFound": lost_file,
}
"""The errors for the hub's values of `X-Error-Code`."""


def _refusal(response: Any, access: Access) -> ChordsError:
    """Returns the error for an answer with an HTTP status of 400 or above."""
    status = response.status_code
    code = response.headers.get("X-Error-Code", "")
    message = response.headers.get("X-Error-Message", "")
    if code in _CODES:
        return _CODES[code](access)
    if status == 401:
        invalid = access.logged_in and "Invalid credentials" in message
        return refused_token(access) if invalid else unknown_repository(access)
    if status == 403:
        return gated(access) if "gated" in message.lower() else forbidden(access)
    if status == 404:
        return not_a_hub(access.endpoint, "it answered 404")
    return ChordsError(
        f"{access.endpoint} answered {status} when asked for {access.repo}",
        "try again later: what has arrived stays",
    )


def _cause(error: Exception) -> Exception:
    """Returns the reason why a file is missing, where the client only says that it is missing."""
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return error.__cause__
    return error


def _reason(error: Exception) -> str:
    """Returns an exception's own words in one line."""
    return " ".join(str(error).split()) or type(error).__name__
