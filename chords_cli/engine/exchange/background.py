"""A thread for what a core does beside its loop, which never waits for it but hears its errors."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from chords_cli.pipelines.load.accelerator import make_current


class BackgroundThread:
    """Does tasks in order, one at a time.

    Args:
        name: Of the thread.
        device: What the tasks work on, where that is not the host.
    """

    def __init__(self, name: str, device: torch.device | None = None) -> None:
        begin = (make_current, (device,)) if device else (None, ())
        self._thread = ThreadPoolExecutor(1, name, *begin)
        self._tasks: deque[Future[None]] = deque()

    def submit(self, task: Callable[[], None]) -> Future[None]:
        """Has the thread do a task.

        Raises:
            Exception: What an earlier task has raised.
        """
        while self._tasks and self._tasks[0].done():
            self._tasks.popleft().result()
        self._tasks.append(self._thread.submit(task))
        return self._tasks[-1]

    def finish(self) -> None:
        """Waits until all tasks are done; raises what one of them has raised."""
        while self._tasks:
            self._tasks.popleft().result()
