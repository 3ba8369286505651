import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file

from chords_cli.engine.messages import Latent
from chords_cli.media.latents import latent_bytes, read_header


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_latent_is_what_safetensors_reads_back(dtype):
    tensor = torch.randn(2, 3, 5).to(getattr(torch, dtype))
    raw = tensor.view(torch.uint8).numpy().tobytes()
    found = load(latent_bytes(Latent(dtype, (2, 3, 5), raw), {}))
    assert list(found) == ["latent"]
    assert torch.equal(found["latent"], tensor)


def test_a_latents_metadata_is_read_back_from_its_header(tmp_path):
    file = tmp_path / "a.safetensors"
    latent = Latent("float32", (4,), np.arange(4, dtype="<f4").tobytes())
    file.write_bytes(latent_bytes(latent, {"chords": "ünï"}))
    assert read_header(file)["__metadata__"] == {"chords": "ünï"}
    assert load_file(file)["latent"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("data", [b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]"])
def test_a_file_that_is_no_safetensors_file_is_refused(tmp_path, data):
    file = tmp_path / "a.safetensors"
    file.write_bytes(data)
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_header(file)
