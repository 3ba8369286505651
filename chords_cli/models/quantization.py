"""Tells which packages a quantization needs, before a model that has it is loaded.

Names and configurations alone: `pipelines.load.quantization` makes the libraries' configurations.
"""

import importlib.util
from collections.abc import Mapping
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.pipelines.rules import did_you_mean

NEEDS: Mapping[str, tuple[str, ...]] = {
    "aqlm": ("aqlm",),
    "auto-round": ("auto-round",),
    "awq": ("gptqmodel",),
    "bfl": (),
    "bitnet": (),
    "bitsandbytes_4bit": ("bitsandbytes",),
    "bitsandbytes_8bit": ("bitsandbytes",),
    "compressed-tensors": ("compressed-tensors",),
    "eetq": ("kernels",),
    "fbgemm_fp8": (),
    "fouroversix": ("fouroversix",),
    "fp8": (),
    "fp_quant": ("fp_quant",),
    "gemma": (),
    "gguf": ("gguf",),
    "gptq": ("optimum", "gptqmodel"),
    "higgs": ("flute-kernel", "fast_hadamard_transform"),
    "hqq": ("hqq",),
    "metal": ("kernels",),
    "modelopt": ("nvidia-modelopt",),
    "mxfp4": (),
    "mxfp8": (),
    "nunchaku_lite": ("kernels",),
    "nvfp4": ("kernels",),
    "quanto": ("optimum-quanto",),
    "quark": ("amd-quark",),
    "sdnq": ("sdnq",),
    "sinq": ("sinq",),
    "spqr": ("spqr_quant",),
    "torchao": ("torchao",),
    "vptq": ("vptq",),
}
"""The packages without which a method of diffusers or transformers refuses to load, by its name."""

_MODULES = {
    "flute-kernel": "flute",
    "nvidia-modelopt": "modelopt",
    "optimum-quanto": "optimum.quanto",
    "amd-quark": "quark",
}
"""How packages are imported whose names do not say so."""


def method_of(config: Mapping[str, Any]) -> str | None:
    """Returns the method by which a component's weights are quantized; None where they are not.

    Args:
        config: Its config.json.
    """
    settings = config.get("quantization_config")
    if not isinstance(settings, Mapping):
        return None
    method = settings.get("quant_method")
    if method in (None, "bitsandbytes"):  # one name for two methods, or an old one without any
        return "bitsandbytes_8bit" if settings.get("load_in_8bit") else "bitsandbytes_4bit"
    return str(method)


def check_method(method: str, what: str, hint: str) -> None:
    """Refuses a method that neither library knows, or whose package is not installed.

    Args:
        method: By its name in diffusers or transformers.
        what: Says which weights it is about: the beginning of a message.
        hint: What to do instead.

    Raises:
        UsageError: It cannot work here.
    """
    if method not in NEEDS:
        near = did_you_mean(method, NEEDS)
        raise UsageError(
            f"{what}, which is no method of diffusers or transformers",
            f"{near}known are {', '.join(NEEDS)}",
        )
    missing = [package for package in NEEDS[method] if not _installed(package)]
    if missing:
        are = "which is" if len(missing) == 1 else "which are"
        raise UsageError(
            f"{what} and needs {' and '.join(missing)}, {are} not installed",
            f"pip install {' '.join(missing)}, or {hint}",
        )


def _installed(package: str) -> bool:
    try:
        return (
            importlib.util.find_spec(_MODULES.get(package, package.replace("-", "_"))) is not None
        )
    except ModuleNotFoundError:  # of the package that it is part of
        return False
