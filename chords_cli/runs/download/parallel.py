"""Runs several tasks at once; the first that fails ends all of them, and so does Ctrl-C.

The threads are daemons, unlike those of concurrent.futures, which are joined when the program ends:
a connection that hangs must not keep the program from ending.
"""

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue

_POLL = 0.1


def run_in_parallel(
    tasks: Iterable[Callable[[], None]], workers: int, stop: threading.Event
) -> None:
    """Runs all tasks, `workers` at a time, and returns when all are done.

    Args:
        tasks: The tasks, begun in this order.
        workers: How many run at a time.
        stop: Set when a task fails or the user interrupts, so that the other tasks can stop.

    Raises:
        Exception: The exception of the first task that failed.
    """
    waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
    for task in tasks:
        waiting.put(task)
    failures: list[Exception] = []

    def work() -> None:
        while not stop.is_set():
            try:
                waiting.get_nowait()()
            except Empty:
                return
            except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
                failures.append(error)
                stop.set()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not failures:
            threads[0].join(_POLL)
            threads.append(threads.pop(0))
    finally:
        stop.set()
    if failures:
        raise failures[0]
