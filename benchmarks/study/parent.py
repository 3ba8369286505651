"""Processes that end with the one that started them, however that ends; imports nothing slow."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """A pool's idle processes would wait for ever for work from a parent that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
