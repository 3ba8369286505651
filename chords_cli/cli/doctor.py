"""`chords doctor`."""

import typer

from chords_cli.cli.options import accepts, as_option
from chords_cli.ui.console import Console


@accepts("model", "devices", "json")
def doctor(model: str | None, devices: str | None, json: bool) -> None:
    """Look at this machine and say, line by line, what is well and what to do where it is not.

    [bold]Examples[/bold]

    chords doctor

    chords doctor --model flux --devices cuda:0,cuda:1

    chords doctor --json > doctor.json
    """
    from chords_cli.runs.doctor.run import examine
    from chords_cli.ui.views.doctor import CheckLines, verdict

    console, lines = Console("json" if json else "human"), CheckLines()
    with console.waiting("looking at this machine"):
        record = examine(
            model,
            devices,
            listener=lambda check: None if json else console.show(lines.draw(check)),
            spell=as_option,
        )
    if json:
        console.document(record.document())
    else:
        console.show(verdict(record))
    if record.state == "fail":
        raise typer.Exit(1)
