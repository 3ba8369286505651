"""The mesh of those members of a core that compute the same answer, each from a part of the tokens.

They exchange in collectives inside the model's attention, which diffusers makes: over gloo on the
host, and on accelerators over what torch has for them, such as NCCL. Everything else that processes
send one another goes through the host on all devices.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from chords_cli.engine.exchange.meeting import GLOO, Exchange

_HOST = "cpu"

_HOME = Path(dist.__file__).parent
"""Where torch's collectives are; what goes wrong in them has no class of its own."""


def backend_for(kind: str, contexts: int) -> str:
    """Returns the backend with which a pool's processes meet, on devices of that kind."""
    if contexts == 1 or kind == _HOST:
        return GLOO
    return f"{_HOST}:{GLOO},{kind}:{dist.get_default_backend_for_device(kind)}"


def make_mesh(exchange: Exchange, contexts: int, kind: str) -> DeviceMesh:
    """Returns the mesh in which this process computes its part; all processes call this at once.

    A member's number is its branch of guidance times `contexts`, plus its part.
    """
    branches = exchange.members // contexts
    whole = init_device_mesh(
        kind,
        (exchange.ranks // exchange.members, branches, 1, contexts),
        mesh_dim_names=("core", "branch", "ring", "ulysses"),
    )
    return whole["ring", "ulysses"]


@contextmanager
def naming_its_members(exchange: Exchange) -> Iterator[None]:
    """Turns an error of a collective inside the block into one that blames another member.

    Raises:
        LostNeighbourError: Another member is gone.
        WaitedInVainError: It sent nothing for longer than the timeout.
    """
    try:
        yield
    except RuntimeError as error:
        frames = traceback.walk_tb(error.__traceback__)
        if all(_HOME not in Path(frame.f_code.co_filename).parents for frame, _ in frames):
            raise
        raise exchange.trouble(error, f"another member of {exchange.core_name}") from error
