"""A core's process that hangs while it decodes: what tests have the pool start instead of its own.

monkeypatch.setattr("chords_cli.engine.processes.worker_process", HangingWorker("stopped"))
"""

import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from chords_cli.engine.messages import WorkerSpec
from chords_cli.engine.processes import worker_process


@dataclass(frozen=True)
class HangingWorker:
    """The target of a worker's process, picklable.

    Attributes:
        how: `stopped` by a signal, or `waiting` for something that never happens.
    """

    how: Literal["stopped", "waiting"]

    def __call__(self, spec: WorkerSpec, pipe: Connection, lifeline: Connection) -> None:
        from chords_cli.pipelines.core_pipeline import CorePipeline

        CorePipeline.decode = self._hang  # type: ignore[method-assign]
        worker_process(spec, pipe, lifeline)

    def _hang(self, *_: Any) -> Any:
        if self.how == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        threading.Event().wait()
