"""What later steps need, computed by other processes while the present step runs."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Ahead(Generic[Result]):
    """The values of a function at 0, 1, 2, ..., each computed before it is asked for.

    Args:
        function: of a module's top level, or a `partial` of one, so that processes can be sent it.
        workers: processes that compute; with none, values are computed when they are asked for.
    """

    def __init__(self, function: Callable[[int], Result], workers: int) -> None:
        self._function = function
        self._workers = workers
        self._futures: dict[int, Future[Result]] = {}
        self._pool = (
            ProcessPoolExecutor(
                workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_end_with_parent,
            )
            if workers
            else None
        )

    def __call__(self, index: int) -> Result:
        """Return the value at `index`, and begin the next two for each worker."""
        if self._pool is None:
            return self._function(index)
        for following in range(index, index + 2 * self._workers + 1):
            if following not in self._futures:
                self._futures[following] = self._pool.submit(self._function, following)
        return self._futures.pop(index).result()

    def close(self) -> None:
        """End the processes; what they have begun is dropped."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _end_with_parent() -> None:
    """End this process with its parent, even one that is killed: the pool alone would not."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
