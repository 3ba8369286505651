"""`chords image`."""

from typing import Any

from chords_cli.cli.generation import make
from chords_cli.cli.options import IMAGE, accepts


@accepts(*IMAGE)
def image(**options: Any) -> None:
    """Make images from text and pictures, on several cores that correct each other.

    [bold]Examples[/bold]

    chords image "a red circle on a blue background"

    chords image --cores 8 --num 4 --all-cores "a green star above a pink heart"

    chords image --image photo.png 0.6 "a red heart on a white background"

    chords image --prompt-file prompts.txt --output shapes --resume
    """
    make("image", options)
