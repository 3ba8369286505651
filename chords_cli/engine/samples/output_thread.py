"""A thread for what is done with a sample's outputs while the cores go on, as writing files."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import Pipe
from types import TracebackType


class OutputThread:
    """Does tasks in order, one at a time; none of them after one that has failed.

    A context manager: leaving it waits for the task that is being done, and forgets the others.

    Attributes:
        bell: Can be read from when a task is over, so that nobody has to look.
    """

    def __init__(self) -> None:
        self.bell, self._ring = Pipe(duplex=False)
        self._thread = ThreadPoolExecutor(1, "chords-outputs")
        self._errors: list[BaseException] = []

    def __enter__(self) -> "OutputThread":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(cancel_futures=True)
        self.bell.close()
        self._ring.close()

    def submit(self, task: Callable[[], None]) -> Future[None]:
        """Has the thread do a task."""
        done = self._thread.submit(self._do, task)
        done.add_done_callback(lambda done: self._ring.send_bytes(b"."))
        return done

    def check(self) -> None:
        """Raises what a task has raised, if one has."""
        if self._errors:
            raise self._errors[0]

    def _do(self, task: Callable[[], None]) -> None:
        if self._errors:
            return
        try:
            task()
        except BaseException as error:  # noqa: BLE001  it is raised by whoever checks
            self._errors.append(error)
