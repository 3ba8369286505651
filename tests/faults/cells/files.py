"""Disks and folders: full, read-only, replaced or gone; and what else the system refuses."""

import os
import shutil
import subprocess

from tests.faults.cells.phases import do
from tests.faults.driver import Cell, Run

_KEPT = "1 of 2 images is kept in .*: add --resume to go on$"
_PICTURE = "^cannot write .*/0002-a-red-heart-s43.png: "


def _mount(*words: object) -> bool:
    return not subprocess.run(["mount", *map(str, words)], stderr=subprocess.DEVNULL).returncode


def may_not_mount() -> str:
    """Returns why no small disk can be made here; nothing where it can."""
    if os.geteuid():
        return "only root may mount a small disk"
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], check=False)
    return "this machine lets nobody mount a small disk" if tried.returncode else ""


def _small_disk(run: Run, kilobytes: int = 1024) -> None:
    run.out.mkdir()
    assert _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "chords-faults", run.out)
    run.mounted = run.out


def _full(kilobytes: int, what: str, says: str, kept: int) -> Cell:
    return Cell(
        phase="saving",
        what=what,
        prepare=lambda run: _small_disk(run, kilobytes),
        needs=may_not_mount,
        says=f"{says}No space left on device",
        hint=f"make room there; {_KEPT if kept == 1 else '2 of 2 images are kept in '}",
        kept=kept,
        fix=lambda run: _mount("-o", "remount,size=1m", run.out),
        resumes=True,
    )


CELLS: list[Cell] = [
    _full(12, "a disk of 12 kB is full", _PICTURE, 1),
    _full(28, "a disk of 28 kB is full", "^cannot write .*/run.json: ", 2),
    Cell(
        phase="saving",
        what="the disk is read-only from now on",
        prepare=_small_disk,
        needs=may_not_mount,
        act=do("1/2 done", lambda run: _mount("-o", "remount,ro", run.out)),
        says=f"{_PICTURE}Read-only file system",
        hint=_KEPT,
        kept=1,
        fix=lambda run: _mount("-o", "remount,rw", run.out),
        resumes=True,
    ),
    *(
        Cell(
            phase="saving",
            what=what,
            fault=f"half-saved:parent:{kind}:0.3",
            says=f"{_PICTURE}{says}",
            hint=_KEPT,
            kept=1,
            resumes=True,
            quick=kind == "ENOSPC",
        )
        for what, kind, says in (
            ("the disk is full in mid-file", "ENOSPC", "No space left on device"),
            ("the disk turns read-only in mid-file", "EROFS", "Read-only file system"),
            ("the disk fails in mid-file", "EIO", "Input/output error"),
        )
    ),
    Cell(
        phase="saving",
        what="no memory in the command",
        fault="saving:parent:MemoryError:0.2",
        says="^out of memory in the command itself",
        hint=f"^free some memory first; {_KEPT}",
        kept=1,
        resumes=True,
    ),
    Cell(
        phase="saving",
        what="no more files may be opened",
        fault="saving:parent:EMFILE:0.2",
        says="^the system refuses: Too many open files",
        hint="raise the limit.*1 of 2 images is kept",
        kept=1,
        resumes=True,
    ),
    Cell(
        phase="saving",
        what="the folder is a file now",
        act=do("1/2 done", lambda run: (shutil.rmtree(run.out), run.out.write_text(""))),
        says=f"{_PICTURE}Not a directory$",
    ),
    Cell(
        phase="saving",
        what="the folder is gone",
        act=do("1/2 done", lambda run: shutil.rmtree(run.out)),
        says=f"{_PICTURE}No such file or directory$",
        hint="^choose another --output$",
        kept=0,
    ),
    *(
        Cell(
            phase=phase,
            what="the temporary folder is removed",
            act=do(said, lambda run: shutil.rmtree(run.temporary)),
            code=0,
            kept=2,
        )
        for phase, said in (("between samples", "1/2 done"), ("first step", "1/2: "))
    ),
]
