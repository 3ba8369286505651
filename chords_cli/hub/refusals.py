"""What a hub's refusal means, and what to do about it, in words.

Statuses and codes in, errors out: which library received them is not known here.
"""

from dataclasses import dataclass

from chords_cli.errors import ChordsError

_LOG_IN = "`hf auth login` or set HF_TOKEN"


@dataclass(frozen=True, slots=True)
class Question:
    """What the hub was asked.

    Attributes:
        endpoint: The address of the hub.
        repo: The repository.
        revision: None for the main branch.
        logged_in: Whether a token was sent.
    """

    endpoint: str
    repo: str
    revision: str | None
    logged_in: bool

    @property
    def page(self) -> str:
        """The repository's page, where licences are accepted."""
        return f"{self.endpoint}/{self.repo}"


def explain_refusal(question: Question, status: int, code: str, message: str) -> ChordsError:
    """The error for an HTTP status.

    Args:
        question: What was asked.
        status: 400 or above.
        code: The hub's `X-Error-Code`; empty when there is none.
        message: The hub's `X-Error-Message`.
    """
    known = {
        "GatedRepo": gated,
        "RepoNotFound": unknown_repository,
        "RevisionNotFound": unknown_revision,
        "EntryNotFound": lost_file,
    }
    if code in known:
        return known[code](question)
    if status == 401:
        invalid = question.logged_in and "Invalid credentials" in message
        return refused_token(question) if invalid else unknown_repository(question)
    if status == 403:
        return gated(question) if "gated" in message.lower() else forbidden(question)
    if status == 404:
        return not_a_hub(question.endpoint, "it answered 404")
    return ChordsError(
        f"{question.endpoint} answered {status} when asked for {question.repo}",
        "try again later: what has arrived stays",
    )


def gated(question: Question) -> ChordsError:
    """The licence wants to be accepted first."""
    if question.logged_in:
        return ChordsError(
            f"{question.repo} is gated, and your token has no access to it",
            f"accept the licence at {question.page} with the token's account (`hf auth whoami`); a "
            f"fine-grained token must allow public gated repositories; or {_LOG_IN} anew",
        )
    return ChordsError(
        f"{question.repo} is gated, and you are not logged in",
        f"accept the licence at {question.page}, then {_LOG_IN}",
    )


def unknown_repository(question: Question) -> ChordsError:
    """The hub does not tell private repositories from those that do not exist."""
    login = (
        "your token's account must have access (`hf auth whoami`)"
        if question.logged_in
        else f"{_LOG_IN}"
    )
    return ChordsError(
        f"{question.endpoint} has no repository {question.repo}, or it is private",
        f"check the name at {question.page}; if it is private, {login}",
    )


def unknown_revision(question: Question) -> ChordsError:
    """No branch, tag or commit of that name."""
    return ChordsError(
        f"{question.repo} has no revision {question.revision!r}",
        f"{question.page}/tree/main lists its branches and tags",
    )


def lost_file(question: Question) -> ChordsError:
    """The hub lists a file that it does not have."""
    return ChordsError(
        f"{question.repo} lists a file that {question.endpoint} does not have",
        f"see {question.page}/tree/main, or name another --revision",
    )


def refused_token(question: Question) -> ChordsError:
    """The token is not one of this hub's."""
    return ChordsError(
        f"{question.endpoint} does not accept your token",
        f"make a new one at {question.endpoint}/settings/tokens, then {_LOG_IN}",
    )


def forbidden(question: Question) -> ChordsError:
    """Access is refused for a reason that has no code."""
    return ChordsError(
        f"{question.endpoint} forbids access to {question.repo}",
        f"accept the licence at {question.page} if there is one, then {_LOG_IN}",
    )


def not_a_hub(endpoint: str, reason: str) -> ChordsError:
    """Something answers there that does not speak the hub's language."""
    return ChordsError(
        f"{endpoint} does not answer like a Hugging Face hub: {reason}",
        "check HF_ENDPOINT: without it the hub is https://huggingface.co",
    )


def unreachable(endpoint: str, reason: str) -> ChordsError:
    """Nothing answers there."""
    return ChordsError(
        f"{endpoint} cannot be reached: {reason}",
        "check the network, and HTTPS_PROXY and HF_ENDPOINT if they are set; what is complete in "
        "the cache runs without",
    )


def offline(repo: str) -> ChordsError:
    """The user has forbidden the network."""
    return ChordsError(
        f"HF_HUB_OFFLINE is set, and {repo} is not complete on this machine",
        "unset HF_HUB_OFFLINE and type the same command again",
    )


def unusable_cache(file: str, reason: str) -> ChordsError:
    """The disk does not take what the hub gives."""
    return ChordsError(
        f"{file}: {reason}", "choose another folder with --cache-dir or HF_HOME, or mend this one"
    )
