"""The methods of quantization that are known are those of the installed libraries."""

import diffusers.quantizers.auto as of_diffusers
import pytest
import transformers.quantizers.auto as of_transformers

from chords_cli.errors import UsageError
from chords_cli.models.quantization import NEEDS, check_method, method_of


def test_every_method_of_the_libraries_is_known_and_no_other():
    libraries = (of_diffusers, of_transformers)
    methods = {name for library in libraries for name in library.AUTO_QUANTIZER_MAPPING}
    assert methods == NEEDS.keys()


@pytest.mark.parametrize(
    ("settings", "method"),
    [
        ({"quant_method": "torchao", "quant_type": "int8wo"}, "torchao"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes_8bit"),
        ({"load_in_4bit": True}, "bitsandbytes_4bit"),
    ],
)
def test_the_method_of_weights_is_in_their_configuration(settings, method):
    assert method_of({"quantization_config": settings}) == method


def test_weights_that_are_not_quantized_need_nothing():
    assert method_of({}) is None
    assert method_of({"quantization_config": None}) is None


def test_a_method_whose_package_is_here_is_accepted():
    check_method("torchao", "", "")


@pytest.mark.parametrize("method", [name for name, needs in NEEDS.items() if needs])
def test_a_method_without_its_package_is_refused_with_how_to_install_it(method, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        check_method(method, "it is quantized", "leave it")
    assert caught.value.hint == f"pip install {' '.join(NEEDS[method])}, or leave it"
