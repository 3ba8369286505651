"""Where a worker begins; imports nothing, so that the pool's process needs no torch to name it."""

from multiprocessing.connection import Connection

from chords_cli.engine.log import redirect_output
from chords_cli.engine.messages import WorkerSpec
from chords_cli.pipelines.load.reporting import set_environment


def run(spec: WorkerSpec, pipe: Connection, lifeline: Connection) -> None:
    """The target of a worker's process, which may have imported nothing yet."""
    redirect_output(spec.log)
    set_environment()
    from chords_cli.engine.worker import run_worker

    run_worker(spec, pipe, lifeline)
