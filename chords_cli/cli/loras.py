"""`--lora SOURCE [SCALE]`: an option whose second value may be left out.

No parser of options knows such a thing, so a command line is rewritten before it is parsed: every
LoRA becomes one value, `SOURCE=SCALE`.
"""

from collections.abc import Iterable, Sequence

FLAG = "--lora"


def with_scales(arguments: Sequence[str]) -> list[str]:
    """`arguments` in which every `--lora` has one value that ends with its scale.

    A number that follows the source is its scale, which else is 1.0: `--lora a.safetensors 0.5`
    and `--lora a.safetensors "a prompt"` mean what they say. What follows `--` is left alone.
    """
    rest, rewritten = list(arguments), []
    while rest and rest[0] != "--":
        word = rest.pop(0)
        flag, equals, source = word.partition("=")
        if flag != FLAG or not (equals or rest):
            rewritten.append(word)
            continue
        source = source if equals else rest.pop(0)
        scale = rest.pop(0) if rest and _is_number(rest[0]) else "1.0"
        rewritten += [FLAG, f"{source}={scale}"]
    return rewritten + rest


def pairs(values: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """The sources and scales of values that `with_scales` wrote."""
    parts = (value.rpartition("=") for value in values)
    return tuple((source, float(scale)) for source, _, scale in parts)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
