"""A preset's `quantization` as what diffusers takes.

One backend for both libraries: components of diffusers get its configuration of that backend,
text encoders get that of transformers, which often names its settings differently.
"""

import importlib
from typing import Any

import diffusers.quantizers.auto as diffusers_quantizers
import transformers.quantizers.auto as transformers_quantizers
from diffusers import PipelineQuantizationConfig

from chords_cli.errors import UsageError
from chords_cli.pipelines.load.spec import DENOISERS, Index, ModelSpec
from chords_cli.pipelines.rules import check_components


def quantization_config(spec: ModelSpec, index: Index) -> PipelineQuantizationConfig | None:
    """Configures a pipeline whose `model_index.json` is `index`; None without quantization.

    Raises:
        UsageError: The backend is unknown or not installed, or a setting or component is wrong.
    """
    if spec.quantization is None:
        return None
    names = spec.quantization.get("components") or [name for name in DENOISERS if name in index]
    known = [name for name in index if _library(index, name)]
    check_components("quantization.components", names, spec.pipeline, known)
    try:
        return PipelineQuantizationConfig(
            quant_mapping={name: _config(spec, _library(index, name)) for name in names}
        )
    except (ImportError, ValueError, TypeError, AttributeError) as error:
        raise refused(spec, error) from error


def refused(spec: ModelSpec, error: Exception) -> UsageError:
    """Returns the error to show when a backend cannot do what it was asked for."""
    assert spec.quantization is not None, "only a quantization can be refused"
    reason = " ".join(str(error).split())[:300]
    return UsageError(
        f"quantization {spec.quantization['backend']} is not possible: {reason}",
        "install the backend's package or correct `quantization` in the preset",
    )


def _library(index: Index, name: str) -> str | None:
    entry = index.get(name)
    return entry[0] if isinstance(entry, list) else None


def _config(spec: ModelSpec, library: str | None) -> Any:
    assert spec.quantization is not None, "asked for only with a quantization"
    of_encoders = library == "transformers"
    quantizers: Any = transformers_quantizers if of_encoders else diffusers_quantizers
    known = quantizers.AUTO_QUANTIZATION_CONFIG_MAPPING
    backend = spec.quantization["backend"]
    if backend not in known:
        raise ValueError(f"known are {', '.join(sorted(known))}")
    settings = dict(spec.quantization.get("kwargs") or {})
    if backend == "torchao" and isinstance(settings.get("quant_type"), str):
        classes = importlib.import_module("torchao.quantization")
        settings["quant_type"] = getattr(classes, settings["quant_type"])()
    return known[backend](**settings)
