"""How much sooner several devices are done with one evaluation, as the user has measured it.

The file `gains.yaml` lies beside the folder of the user's presets. On a machine with two GPUs
`python -m benchmarks.gpu` says what to put into it.
"""

from typing import Annotated

from pydantic import Field, ValidationError

from chords_cli.errors import UsageError, verbatim
from chords_cli.presets.call import Part
from chords_cli.presets.files import read_yaml, user_folder

Gain = Annotated[float, Field(gt=0, le=64)]


class MeasuredGains(Part):
    """The gains of a machine.

    Attributes:
        split: Of two devices, one for each half of guidance; None if that was not measured.
        context: Of devices that share the tokens, by their number; without any, tokens are not
            shared unless it is asked for.
    """

    split: Gain | None = None
    context: dict[Annotated[int, Field(ge=2)], Gain] = Field(default_factory=dict)


def read_gains() -> MeasuredGains | None:
    """Reads the user's file; None if there is none, or nothing in it.

    Raises:
        UsageError: It cannot be read, or says something else than gains.
    """
    path = user_folder().parent / "gains.yaml"
    if not path.is_file():
        return None
    try:
        text = read_yaml(path, "gains file")
        return None if text is None else MeasuredGains.model_validate(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its list or text"
        raise UsageError(
            f"{verbatim(path)}: {where} cannot be used: "
            + first["msg"].lower().removesuffix(" or instance of measuredgains"),
            "write it like `split: 1.8` and `context: {2: 1.5}`, or remove the file",
        ) from error
