"""Where all processes of a pool meet, and how an error names the one at the other end.

One path for every device: gloo, staged through host memory (`engine.exchange.staging`), on the
loopback of one host or on the interface where several meet (`engine.exchange.rendezvous`).
"""

import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from chords_cli.engine.exchange.allocator import memory_to_keep
from chords_cli.engine.exchange.network import INTERFACE
from chords_cli.engine.exchange.rendezvous import FileRendezvous, Rendezvous
from chords_cli.engine.exchange.seal import ForgedError, Seal
from chords_cli.engine.exchange.shared import NO_HANDSHAKE, SharedReader, SharedWriter
from chords_cli.engine.exchange.staging import HostStaging, Staging
from chords_cli.engine.exchange.transport import (
    GlooTransport,
    Receiver,
    Sender,
    SharedMemoryReceiver,
    SharedMemorySender,
)
from chords_cli.engine.messages import LostNeighbourError, WaitedInVainError, name_of
from chords_cli.errors import ChordsError

GLOO = "gloo"

_SEVERAL = 10
"""How many times longer than its timeout."""

_SHARED = 1_000_003
"""The tag of what core 0 shares: not that of any latent, which may be on the way as well."""


class Exchange:
    """This process's ends of all lines, for the life of a pool.

    Args:
        rank: Of this process.
        ranks: How many processes there are.
        rendezvous: How they find one another; a path is that of a file.
        timeout: Seconds to wait for another core.
        staging: Of the core's device.
        waiting: Entered while this process may wait for another.
        members: How many processes a core has.
        backend: Torch's, if not gloo alone (see `exchange.context`).
        first: How many processes other groups have before these; it counts in their names.
        key: Which all processes of the pool know, and nobody else.
    """

    def __init__(
        self,
        rank: int,
        ranks: int,
        rendezvous: Rendezvous | Path,
        timeout: float,
        staging: Staging | None = None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
        members: int = 1,
        backend: str = GLOO,
        first: int = 0,
        key: bytes = b"",
    ) -> None:
        self.rank, self.members, self.ranks, self._backend = rank, members, ranks, backend
        self._first, self.staging = first, staging or HostStaging()
        if isinstance(rendezvous, Path):
            rendezvous = FileRendezvous(rendezvous)
        self._rendezvous, self._timeout = rendezvous, timedelta(seconds=timeout)
        self._waiting, self._key, self._seals = waiting, key, dict[int, Seal]()
        self._shared = list[tuple[int, Tensor, dist.Work | None]]()
        self._writer: SharedWriter | None = None
        self._has_room = False
        self.sender: Sender = GlooTransport(self.staging)
        self.receiver: Receiver = GlooTransport(self.staging)

    def open(self) -> None:
        """Meets the other cores; returns when all have come."""
        if self.ranks == 1 and not self._rendezvous.serves:
            return
        try:
            with self._waiting():
                dist.init_process_group(
                    self._backend,
                    **self._rendezvous.arguments(self._timeout),
                    rank=self.rank,
                    world_size=self.ranks,
                    timeout=self._timeout,
                )
        except RuntimeError as error:
            if _timed_out(error):
                seconds = self._timeout.total_seconds()
                cores = self.ranks // self.members
                raise WaitedInVainError(
                    f"not all of {cores} cores came within {seconds:g} s",
                    "raise {timeout} if loading takes longer on some device",
                    {"timeout": None},
                ) from error
            raise LostNeighbourError(
                f"the cores cannot meet on {os.environ[INTERFACE]}: {_first_line(error)}",
                self._rendezvous.hint,
            ) from error
        self._find_neighbours()

    def _find_neighbours(self) -> None:
        """Finds out which neighbours see each other's memory, as those of one host do."""
        slower, faster = self.rank - self.members, self.rank + self.members
        shares, writer, reader = self.staging.shares, SharedWriter(), SharedReader()
        if faster < self.ranks:
            handshake = writer.handshake() if shares else NO_HANDSHAKE
            with self.naming(faster):
                posted = dist.isend(handshake, faster)
        if slower >= 0:
            heard = torch.empty_like(NO_HANDSHAKE)
            with self.naming(slower):
                dist.recv(heard, slower)
                seen = shares and reader.finds(heard)
                dist.send(torch.tensor([seen]), slower)
            self.receiver = SharedMemoryReceiver(reader) if seen else self.receiver
        if faster < self.ranks:
            answer = torch.tensor([False])
            with self.naming(faster):
                dist.recv(answer, faster)
                if posted:
                    posted.wait()
            if answer:
                self.sender, self._writer = SharedMemorySender(writer), writer
            else:
                writer.close()

    def make_room(self, latent: Tensor, held: int) -> None:
        """Prepares memory of the host for latents like this one, once and in a thread.

        Nothing may be sent before that thread is done, as it may replace the memory that latents
        are written to: a core waits for it before its first round (`Walk.advance`).

        Args:
            latent: Of the shape of all that this core exchanges.
            held: How many of them it will hold beside those that are on the way.
        """
        if self._has_room or not self.staging.shares:
            return
        self._has_room, writer = True, self._writer
        fresh = memory_to_keep(latent.numel(), held if latent.device.type == "cpu" else 0)

        def touch() -> None:
            if writer:
                writer.reserve(latent.numel())
            while fresh:
                fresh.pop().zero_()

        self.staging.run_in_background(touch)

    def close(self) -> None:
        self.settle()
        if self._writer:
            self._writer.close()
        if dist.is_initialized():
            dist.destroy_process_group()

    def share(self, value: Any, cores: int) -> Any:
        """Returns core 0's `value` on all members of the first `cores` cores.

        Core 0 waits for nobody, as others may be busy with the sample before (see `settle`).

        Tensors must lie on the host. The value is pickled, and anybody on this machine or network
        may reach the sockets of gloo, so it is sealed.

        Raises:
            ChordsError: What arrived does not come from core 0.
        """
        if self.rank > 0:
            try:
                return pickle.loads(self._seal_for(self.rank).open(self._receive()))
            except ForgedError as error:
                raise ChordsError(
                    f"{self.core_name} received what core 0 of this run did not send",
                    "look for who else uses this machine and its network, then run it again",
                ) from error
        data = pickle.dumps(value)
        for rank in range(1, cores * self.members):
            sealed = bytearray(self._seal_for(rank).close(data))
            for parcel in (
                torch.tensor([len(sealed)]),
                torch.frombuffer(sealed, dtype=torch.uint8),
            ):
                with self.naming(rank):
                    work = dist.isend(parcel, rank, tag=_SHARED)
                self._shared.append((rank, parcel, work))
        return value

    def settle(self) -> None:
        """Waits until all have received what core 0 has shared, and lets go of it."""
        for rank, _, work in self._shared:
            with self.naming(rank):
                if work:
                    work.wait()
        self._shared.clear()

    def _receive(self) -> bytes:
        """Returns the bytes that core 0 sends next, whoever has made them."""
        with self.naming(0):
            length = torch.zeros(1, dtype=torch.int64)
            dist.recv(length, 0, tag=_SHARED)
            parcel = torch.empty(int(length), dtype=torch.uint8)
            dist.recv(parcel, 0, tag=_SHARED)
        return parcel.numpy().tobytes()

    def _seal_for(self, rank: int) -> Seal:
        """Returns the seal of what core 0 sends to that process."""
        assert self._key, "whoever shares has a key"
        about = f"core 0 to process {self._first + rank}".encode()
        return self._seals.setdefault(rank, Seal(self._key, about))

    @contextmanager
    def naming(self, rank: int) -> Iterator[None]:
        """Turns torch.distributed's errors into one that names the process at the other end.

        Raises:
            LostNeighbourError: It is gone.
            WaitedInVainError: It sent nothing for longer than the timeout.
        """
        try:
            with self._waiting():
                yield
        except RuntimeError as error:
            raise self.trouble(error, name_of(self._first + rank, self.members)) from error

    @property
    def core_name(self) -> str:
        """What users call this process's core."""
        return name_of((self._first + self.rank) // self.members, 1)

    @property
    def patience(self) -> timedelta:
        """How long to wait for a core that may be busy with the sample before.

        Whether it gets on is for the pool to see.
        """
        return self._timeout * _SEVERAL

    def trouble(self, error: RuntimeError, name: str) -> ChordsError:
        """Returns torch.distributed's error in our words, for what waits for `name`."""
        if _timed_out(error):
            return WaitedInVainError(
                f"waited {self._timeout.total_seconds():g} s for {name} in vain",
                "raise {timeout} if that core is slow",
                {"timeout": None},
            )
        return LostNeighbourError(
            f"the line to {name} broke: {_first_line(error)}",
            "run it again with CHORDS_DEBUG=1 to see more",
        )


def _timed_out(error: BaseException) -> bool:
    """Tells whether gloo or the store timed out; their errors have no class of their own."""
    return any(words in str(error).lower() for words in ("timed out", "timeout"))


def _first_line(error: BaseException) -> str:
    """Returns an error's first line, without the place in torch's source that it begins with."""
    lines = str(error).strip().splitlines() or [repr(error)]
    return re.sub(r"^\[[^]]*\] *", "", lines[0])[:200]
