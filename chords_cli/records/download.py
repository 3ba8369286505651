"""What can be downloaded, what a download would fetch or has fetched, and what a check found."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from chords_cli.records.recipe import Record


class ModelFile(Record):
    """A file that a run opens.

    Attributes:
        path: Its path in the repository.
        bytes: Its size.
        there: How many of its bytes were present before.
    """

    path: str
    bytes: int
    there: int


class ModelFiles(Record):
    """A model and the files of it that a run opens.

    Attributes:
        model: The name by which it was asked for.
        repo: None for a local folder.
        revision: None for the main branch.
        commit: None if the hub was not asked.
        gated: None if the hub was not asked.
        path: The folder where it is, or will be.
        bytes: The size of all files that a run opens.
        files: Empty if the hub was not asked.
    """

    model: str
    repo: str | None
    revision: str | None
    commit: str | None
    gated: bool | None
    path: str
    bytes: int
    files: tuple[ModelFile, ...]


class _Download(Record):
    schema_: Literal[1] = Field(alias="schema")
    command: Literal["download"]
    dry_run: bool
    models: tuple[ModelFiles, ...]
    bytes: int


class DownloadPlan(_Download):
    """What a download would fetch.

    Attributes:
        models: In the order of the request.
        bytes: The size of all files that runs open.
        to_fetch: The bytes that are missing.
        cache: The folder of the cache.
        free: The bytes that are free on its disk.
    """

    to_fetch: int
    cache: str
    free: int
    seconds: None


class DownloadRecord(_Download):
    """What a download has fetched.

    Attributes:
        models: In the order of the request.
        bytes: The size of all files that runs open.
        fetched: The bytes that were missing.
        cache: The folder of the cache.
        free: The bytes that are free on its disk.
        seconds: How long the download took.
    """

    fetched: int
    cache: str
    free: int
    seconds: float


class CatalogueEntry(Record):
    """A preset that is a repository of the hub.

    Attributes:
        state: `complete`, `partial` or `absent` on this machine.
        bytes: The size of all files that a run opens; None if it is unknown.
        exact: Whether `bytes` is exact and not an estimate.
        others: Other repositories that parts of it come from.
        license: The licence's name.
        gated: Whether the licence has to be accepted first.
    """

    name: str
    title: str
    repo: str
    revision: str | None
    variant: str | None
    state: Literal["complete", "partial", "absent"]
    bytes: int | None
    exact: bool
    others: tuple[str, ...] = ()
    license: str
    gated: bool


class UnreadablePreset(Record):
    """A preset that cannot be read, and why."""

    name: str
    error: str


class VerifyRecord(Record):
    """A model on this machine, compared with the hub.

    Attributes:
        files: Maps each path to `intact` or to what is wrong with the file; paths in another
            repository, of which only a part is taken, begin with its name.
        intact: Whether all files are intact.
    """

    repo: str
    commit: str
    folder: str
    files: Mapping[str, str]
    intact: bool
