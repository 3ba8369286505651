"""Whether the user has a token for the hub; its value stays here."""

import os
from dataclasses import dataclass

from chords_cli.tools import TOKENS


@dataclass(frozen=True, slots=True)
class Token:
    """That there is a token.

    Attributes:
        source: The variable or the file that it comes from.
        usable: Whether it can be one: it has neither spaces nor letters that no token has.
    """

    source: str
    usable: bool


def find_token() -> Token | None:
    """Looks for the token that the hub's client would send."""
    from huggingface_hub import constants, get_token

    value = get_token()
    if not value:
        return None
    named = [name for name in TOKENS if os.environ.get(name, "").strip()]
    source = named[0] if named else constants.HF_TOKEN_PATH
    return Token(source, is_token(value))


def is_token(value: str) -> bool:
    """Tells whether a token can be sent: it has only letters that a header may have."""
    return all("!" <= letter <= "~" for letter in value)
