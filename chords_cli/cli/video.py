"""`chords video`."""

from typing import Any

from chords_cli.cli.generation import make
from chords_cli.cli.options import VIDEO, accepts


@accepts(*VIDEO)
def video(**options: Any) -> None:
    """Make videos from text and pictures, on several cores that correct each other.

    [bold]Examples[/bold]

    chords video "a yellow heart growing on a purple background"

    chords video --model wan2-1 "a paper boat drifts down a stream"

    chords video --model wan2-1 --frames 41 --gif --all-cores "a fox in the snow"

    chords video --from-metadata outputs/boats/0001-a-paper-boat-s42.mp4
    """
    make("video", options)
