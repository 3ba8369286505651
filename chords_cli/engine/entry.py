"""Where a worker begins; imports nothing, so that the pool's process needs no torch to name it."""

from multiprocessing.connection import Connection

from chords_cli.engine.messages import WorkerSpec


def run(spec: WorkerSpec, pipe: Connection, lifeline: Connection) -> None:
    """The target of a worker's process."""
    from chords_cli.engine.worker import run_worker

    run_worker(spec, pipe, lifeline)
