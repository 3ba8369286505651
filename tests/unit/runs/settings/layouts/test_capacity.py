"""What cannot fit on a device is refused with how many cores do."""

import json

import pytest

from chords_cli.engine.devices import Memory
from chords_cli.errors import UsageError
from chords_cli.presets.files import find_preset
from chords_cli.runs.settings.layouts import capacity
from chords_cli.runs.settings.layouts.capacity import Demand, check_memory, fitting_folder

GB = 10**9


@pytest.fixture
def free(monkeypatch):
    """Sets what the devices have free, and tells which were asked."""
    asked = []

    def set_free(**memory):
        def measured(devices):
            asked.extend(devices)
            return {name: Memory(title="", free=memory[name.partition(":")[0]]) for name in devices}

        monkeypatch.setattr(capacity, "device_memory", measured)
        return asked

    return set_free


@pytest.fixture
def flux(monkeypatch, tmp_path):
    """What 8 cores of FLUX take, which is not on this machine, on these devices."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def demand(*devices):
        preset = find_preset("flux")
        call = preset.call
        return Demand(
            preset=preset, dtype="bfloat16", call=call, devices=devices * 4, decoders=(7,)
        )

    return demand


def test_a_model_that_is_not_here_is_told_of_in_a_note(flux, free):
    free(cpu=20 * GB)
    assert check_memory(flux("cpu", "cpu")) == (
        "flux will not fit: its 8 cores take together at least 33.7 GB of memory (they share "
        "weights; 200.3 GB without), and cpu has 20.0 GB free"
    )


def test_what_is_free_is_told_beside_what_is_there(flux, monkeypatch):
    host = Memory(title="", total=64 * GB, free=30 * GB)
    monkeypatch.setattr(capacity, "device_memory", lambda devices: dict.fromkeys(devices, host))
    assert check_memory(flux("cpu", "cpu")).endswith("and cpu has 30.0 GB free of 64.0 GB")


@pytest.fixture
def stored(preset_file, model):
    """What two cores of a model on the host take whose denoiser is stored in float32, 10 GB."""
    tensor = {"dtype": "F32", "shape": [10 * GB // 4], "data_offsets": [0, 10 * GB]}
    header = json.dumps({"weight": tensor}).encode()
    file = model / "transformer" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)

    def demand(dtype):
        preset = find_preset(str(preset_file))
        devices = ("cpu", "cpu")
        return Demand(preset=preset, dtype=dtype, call={}, devices=devices, decoders=(1,))

    return demand


@pytest.mark.parametrize(
    ("dtype", "takes", "hint"),
    [
        (
            "float32",
            "10.0 GB of memory (they share weights; 20.0 GB without)",
            "choose a smaller model, or devices with more memory",
        ),
        (
            "bfloat16",
            "10.0 GB of memory",
            "use cores=1, or choose a smaller model, or devices with more memory",
        ),
    ],
)
def test_the_host_is_told_what_all_processes_take_and_what_they_share(
    stored, free, dtype, takes, hint
):
    free(cpu=6 * GB)
    with pytest.raises(UsageError) as caught:
        check_memory(stored(dtype))
    message = f"2 cores of toy take together at least {takes}, but cpu has 6.0 GB free"
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_before_a_download_it_is_refused_with_how_many_cores_fit(flux, free):
    free(cpu=500 * GB, cuda=80 * GB)
    with pytest.raises(UsageError) as caught:
        check_memory(flux("cuda:0", "cuda:1"), guess=True)
    assert caught.value.message == (
        "4 cores of flux take together at least 95.2 GB of memory, but cuda:0 has 80.0 GB free"
    )
    assert caught.value.hint.startswith("use cores=6 or fewer, or choose a smaller model")


@pytest.mark.parametrize(
    ("room", "but"),
    [
        (200 * GB, ""),
        (
            80 * GB,
            "; but it does not fit: 4 cores of flux take together at least 95.2 GB of memory, "
            "but cuda:0 has 80.0 GB free",
        ),
    ],
)
def test_a_model_to_fetch_is_told_with_whether_it_would_fit(flux, free, room, but):
    free(cpu=500 * GB, cuda=room)
    with pytest.raises(UsageError) as caught:
        fitting_folder(flux("cuda:0", "cuda:1"))
    assert caught.value.message == "black-forest-labs/FLUX.1-dev is not on this machine"
    assert caught.value.hint == f"fetch it first: chords download flux, or add download=True{but}"


def test_what_fits_well_needs_no_word(flux, free):
    free(cpu=500 * GB, cuda=180 * GB)
    assert check_memory(flux("cuda:0", "cuda:1"), guess=True) is None


def test_a_device_is_not_asked_about_what_every_device_holds(resolved, free):
    asked = free(cpu=500 * GB, cuda=80 * GB)
    resolved(cores=4)
    assert set(asked) == {"cpu"}
