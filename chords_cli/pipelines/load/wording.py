"""What the warnings of diffusers and transformers mean for a user, where we know it."""

import re

_LONGEST = 300

_WORDS: tuple[tuple[str, str | None], ...] = (
    # told with numbers by `pipelines.conditions.tokens`
    ("The following part of your input was truncated", None),
    ("Token indices sequence length is longer", None),
    # told with what was made by `pipelines.said`
    ("(Generation )?`(height|width)`", None),
    ("`num_frames - 1`", None),
    (
        r"true_cfg_scale is passed as (?P<value>[\d.]+), but classifier-free guidance is not",
        "guidance {value} did nothing, because there is no negative prompt; "
        'with `negative_prompt: ""` in the preset\'s call it does',
    ),
    (
        "negative_prompt is passed but classifier-free guidance is not",
        "the negative prompt did nothing, because the guidance is not above 1",
    ),
    (
        r"guidance_scale is passed as (?P<value>[\d.]+), but ignored",
        "guidance_scale {value} did nothing: this model was not trained to be told its guidance",
    ),
    (
        r"Guidance scale (?P<value>[\d.]+) is ignored",
        "guidance {value} did nothing: this model is distilled and takes none",
    ),
    (
        "Potential NSFW content was detected",
        "the model's safety checker held a picture for unsafe and made it black; "
        "try another seed or prompt",
    ),
    ("invalid value encountered in cast", "the pipeline made nan, which is black in a picture"),
    ("You have disabled the safety checker", "this model comes without its safety checker"),
    (
        r"Setting `clean_caption=True` requires the (?P<name>[\w ]+) library",
        "prompts are not cleaned as this model expects it: {name} is not installed",
    ),
    ("Setting `clean_caption` to False", None),
    # said to developers
    ("Guiders are currently an experimental feature", None),
    ("Attention backends are an experimental feature", None),
    ("`enable_parallelism` is an experimental feature", None),
    (r"`\w+ImageProcessor` requires torchvision", None),
    (r"There are modules in \w+ that should be kept in float32: \[\]", None),
    ("`timesteps` were passed without `sigmas`", None),
)
"""Beginnings of warnings, and what we say instead; nothing where something else says it."""


def in_our_words(library: str, warning: str) -> str | None:
    """Returns what to tell a user of a library's warning; None if that is nothing."""
    text = " ".join(warning.split())
    for beginning, words in _WORDS:
        if found := re.match(beginning, text):
            values = {name: value.removesuffix(".0") for name, value in found.groupdict("").items()}
            return None if words is None else words.format(**values)
    return f"{library}: {text if len(text) <= _LONGEST else text[: _LONGEST - 3] + '...'}"
