"""Which packages must be installed before a pipeline can be loaded that looks at pictures."""

import importlib.util
import re
from collections.abc import Mapping

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import PipelineClass

_VIDEO_PROCESSORS = re.compile(r"Qwen\w*VLProcessor")
"""Processors that hold another one for videos, which transformers makes with torchvision only."""


def check_packages(pipeline: PipelineClass, parts: Mapping[str, tuple[str, str]]) -> None:
    """Checks that what a pipeline's processors need is installed.

    Args:
        pipeline: Says which classes its components have.
        parts: The library and class of every component of the model; empty while they are not
            known.

    Raises:
        UsageError: It is not; the hint names the extra of this package that brings it.
    """
    taken = (pipeline.types[name] for name in pipeline.components)
    classes = {cls for _, cls in parts.values()} or {name for names in taken for name in names}
    found = sorted(name for name in classes if _VIDEO_PROCESSORS.fullmatch(name))
    if found and importlib.util.find_spec("torchvision") is None:
        raise UsageError(
            f"{pipeline.name} needs torchvision for its {found[0]}, and that is not installed",
            'pip install "chords-cli[qwen]"',
        )
