"""The client's exceptions: which may go better next time, and what users are told of the others."""

import traceback
from typing import Any

import httpx2
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import parse_ratelimit_headers

from chords_cli.errors import ChordsError
from chords_cli.hub import refusals
from chords_cli.hub.transfer import TransientError

FAILURES = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(httpx2.HTTPError, TransientError),
)
"""What the client raises when the hub, the network or the cache is not as it should be."""

_BUSY = (408, 429, 500, 502, 503, 504)
_LONGEST_WAIT = 300.0


def transient(error: Exception) -> TransientError | None:
    """What may go better next time; None where it will not."""
    if isinstance(error, TransientError):
        return error
    if isinstance(error, httpx2.TransportError):
        return TransientError(_reason(error))
    return busy(error)


def busy(error: Exception) -> TransientError | None:
    """A hub that is there and asks for patience; None for everything else."""
    if isinstance(error, TransientError):
        return error
    error = _root(error)
    response = error.response if isinstance(error, HfHubHTTPError) else None
    if response is None or response.status_code not in _BUSY:
        return None
    return TransientError(f"the hub answered {response.status_code}", _wait(response.headers))


def explain(error: Exception, question: refusals.Question) -> ChordsError:
    """The error that users see."""
    error = _root(error)
    if isinstance(error, OfflineModeIsEnabled):
        return refusals.offline(question.repo)
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        headers = error.response.headers
        code, message = headers.get("X-Error-Code", ""), headers.get("X-Error-Message", "")
        return refusals.explain_refusal(question, error.response.status_code, code, message)
    if isinstance(error, httpx2.TransportError | TransientError):
        return refusals.unreachable(question.endpoint, _reason(error))
    if isinstance(error, OSError) and error.filename:
        return refusals.unusable_cache(error.filename, str(error.strerror))
    return refusals.not_a_hub(question.endpoint, f"{type(error).__name__} in its answer")


def harmless(error: Exception, token: str | None) -> Exception | None:
    """The error as a cause to show developers, unless it repeats the token."""
    text = "".join(traceback.format_exception(error))
    return None if token and token in text else error


def _root(error: Exception) -> Exception:
    """Why a file is not there, where the client only says that it is not."""
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return error.__cause__
    return error


def _wait(headers: Any) -> float | None:
    """How long a busy hub asks us to wait."""
    limit = parse_ratelimit_headers(headers)
    asked = headers.get("Retry-After", "")
    seconds = limit.reset_in_seconds + 1 if limit and not limit.remaining else 0
    seconds = max(seconds, int(asked) if asked.isdigit() else 0)
    return min(float(seconds), _LONGEST_WAIT) or None


def _reason(error: Exception) -> str:
    """An exception's own words in one line."""
    return " ".join(str(error).split()) or type(error).__name__
