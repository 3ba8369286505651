"""A cell of the table: what is done to a run, and what is expected of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.driver import Run

Act = Callable[["Run"], object]
IMAGE = ("image", "a red heart", "--steps", "16")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A run, what is done to it, and what is expected of it.

    Attributes:
        fault: What happens, as `hooks/fault.py` reads it.
        phase: Where in a run it happens.
        what: What happens, for the table.
        act: Called again and again until it returns true: does something to the run from outside.
        target: Who gets the signal of `fault`, if not the process where its time has come.
        args: Further options.
        stderr: A file that standard error goes to.
        shell: A line of a shell in which `"$@"` is the command.
        code: The exit code.
        says: A pattern that the error matches.
        hint: A pattern that the hint matches.
        tells: A pattern that is found in all that it says.
        kept: How many pictures are complete; None where that depends on the moment.
        resumes: Whether `--resume` is tried afterwards.
        prepare: Called before the run starts; `fix` once it has ended.
        needs: Returns why the cell cannot be run here; nothing where it can.
        env: Further variables.
        paths: Folders of the run that Python searches first.
        fresh: Whether it starts from nothing, so that importing is part of it.
        quick: Whether it is run beside all other tests, by `make test-all`.
        remains: What may be left, as nobody was there to remove it.
    """

    phase: str
    what: str
    fault: str = ""
    act: Act | None = None
    target: str = ""
    args: tuple[str, ...] = ()
    stderr: str = ""
    shell: str = ""
    code: int = 1
    says: str = ""
    hint: str = ""
    tells: str = ""
    kept: int | None = None
    num: int = 2
    resumes: bool = False
    prepare: Callable[["Run"], None] | None = None
    fix: Act | None = None
    needs: Callable[[], str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    command: tuple[str, ...] = IMAGE
    cores: int = 4
    fresh: bool = False
    quick: bool = False
    remains: str = "-"

    @property
    def name(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", f"{self.what} {self.phase}".lower()).strip("-")
