"""Where all processes of a pool meet, and how an error names the one at the other end.

One path for every device: gloo on the host's loopback, staged through host memory
(`engine.staging`), found through a file in a private directory.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch.distributed as dist

from chords_cli.engine.messages import LostNeighbourError
from chords_cli.engine.network import INTERFACE, LOOPBACK
from chords_cli.engine.staging import HostStaging, Staging
from chords_cli.errors import ChordsError


class Exchange:
    """This core's ends of all lines, for the life of a pool.

    Args:
        rank: The core.
        cores: How many there are.
        rendezvous: The file by which they find one another.
        timeout: Seconds to wait for another core.
        staging: Of the core's device.
        waiting: Entered while this core may wait for another.
    """

    def __init__(
        self,
        rank: int,
        cores: int,
        rendezvous: Path,
        timeout: float,
        staging: Staging | None = None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.rank, self.cores = rank, cores
        self.staging = staging or HostStaging()
        self._rendezvous, self._timeout = rendezvous, timedelta(seconds=timeout)
        self._waiting = waiting

    def open(self) -> None:
        """Meets the other cores; returns when all have come."""
        if self.cores == 1:
            return
        os.environ.setdefault(INTERFACE, LOOPBACK)
        try:
            with self._waiting():
                dist.init_process_group(
                    "gloo",
                    init_method=f"file://{self._rendezvous}",
                    rank=self.rank,
                    world_size=self.cores,
                    timeout=self._timeout,
                )
        except RuntimeError as error:
            if _timed_out(error):
                seconds = self._timeout.total_seconds()
                raise LostNeighbourError(
                    f"not all of {self.cores} cores came within {seconds:g} s",
                    "raise {timeout} if loading takes longer on some device",
                    {"timeout": None},
                ) from error
            raise LostNeighbourError(
                f"the cores cannot meet on {os.environ[INTERFACE]}: {_first_line(error)}",
                f"unset {INTERFACE}, or set it to the host's loopback interface",
            ) from error

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()

    def share(self, value: Any, cores: int) -> Any:
        """Returns core 0's `value` on the first `cores` cores; its tensors must lie on the host."""
        box = [value]
        if self.rank > 0:
            with self.naming(0):
                dist.recv_object_list(box, src=0)
        for core in range(1, cores) if self.rank == 0 else ():
            with self.naming(core):
                dist.send_object_list(box, dst=core)
        return box[0]

    @contextmanager
    def naming(self, core: int) -> Iterator[None]:
        """Turns torch.distributed's errors into one that names the core at the other end.

        Raises:
            LostNeighbourError: It is gone.
            ChordsError: It is alive, but sent nothing for longer than the timeout.
        """
        try:
            with self._waiting():
                yield
        except RuntimeError as error:
            if _timed_out(error):
                raise ChordsError(
                    f"waited {self._timeout.total_seconds():g} s for core {core} in vain",
                    "raise {timeout} if that core is slow",
                    {"timeout": None},
                ) from error
            raise LostNeighbourError(
                f"the line to core {core} broke: {_first_line(error)}",
                "run it again with CHORDS_DEBUG=1 to see more",
            ) from error


def _timed_out(error: BaseException) -> bool:
    """Tells whether gloo or the store timed out; their errors have no class of their own."""
    return any(words in str(error).lower() for words in ("timed out", "timeout"))


def _first_line(error: BaseException) -> str:
    """Returns an error's first line, without the place in torch's source that it begins with."""
    lines = str(error).strip().splitlines() or [repr(error)]
    return re.sub(r"^\[[^]]*\] *", "", lines[0])[:200]
