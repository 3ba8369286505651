"""`chords`, and `python -m chords_cli`: hears signals before anything is imported."""

import gc
import os
import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Runs the program; one that is ended while it imports says so, without a traceback."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP; so do we
            signal.signal(number, _end)
    from chords_cli.cli.app import main

    try:
        main()
    finally:  # else Python looks for garbage among all modules before it ends
        gc.disable()
        gc.freeze()


def _end(number: int, frame: FrameType | None) -> None:
    """Ends the program at once: nothing has been started or written."""
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"

    try:
        os.write(2, f"error: {how}\n".encode())
    finally:
        os._exit(128 + number)


if __name__ == "__main__":
    main()
