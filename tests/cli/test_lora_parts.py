"""`--lora` for Wan2.2, whose two transformers share the steps: every LoRA goes to its own."""

import json

import pytest
import torch
import yaml
from diffusers import WanPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from tests.doubles import zoo
from tests.pipeline.conftest import threads_of
from tests.pipeline.oracle import stock_latent

STEPS, SEED, SCALE = 4, 7, 0.5
CALL = {**zoo.CALLS["wan2-2"], "num_inference_steps": STEPS}
FIRST, SECOND = "transformer", "transformer_2"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with Wan2.2 and a LoRA for each transformer under several names."""
    place = tmp_path_factory.mktemp("parts")
    pipe = zoo.BUILDERS["wan2-2"]()
    pipe.save_pretrained(place / "model")
    (place / "wan.yaml").write_text(preset(place / "model"))
    for part, noise in ((FIRST, "high"), (SECOND, "low")):
        layers = lora_of(getattr(pipe, part))
        WanPipeline.save_lora_weights(
            place / "pair", transformer_lora_layers=layers, weight_name=f"{noise}_noise.safetensors"
        )
    tensors = load_file(place / "pair" / "low_noise.safetensors")
    save_file(tensors, place / "ink.safetensors")
    renamed = {key.replace(FIRST, SECOND, 1): value for key, value in tensors.items()}
    save_file(renamed, place / "second.safetensors")
    save_file(
        renamed | load_file(place / "pair" / "high_noise.safetensors"), place / "both.safetensors"
    )
    return place


def preset(folder):
    return yaml.safe_dump(
        {
            "name": "wan",
            "title": "Tiny Wan2.2",
            "kind": "video",
            "path": str(folder),
            "pipeline": "WanPipeline",
            "dtype": "float32",
            "license": {"name": "MIT"},
            "call": CALL,
            "fps": 8,
            "seed": SEED,
        }
    )


def lora_of(part):
    """A LoRA that changes what a transformer computes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        part.add_adapter(LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False))
    return get_peft_model_state_dict(part)


def stock(place, *loads):
    """What stock diffusers makes with LoRAs: each a file of the pair and whether it is second."""
    pipe = WanPipeline.from_pretrained(place / "model", local_files_only=True)
    for number, (file, second) in enumerate(loads):
        pipe.load_lora_weights(
            str(place / "pair"),
            weight_name=file,
            adapter_name=f"lora-{number}",
            load_into_transformer_2=second,
        )
    if loads:
        pipe.set_adapters([f"lora-{n}" for n in range(len(loads))], [SCALE] * len(loads))
    pipe.set_progress_bar_config(disable=True)
    with threads_of(1):
        return stock_latent(pipe, {"prompt": "a cat", **CALL}, SEED)


HIGH, LOW = ("high_noise.safetensors", False), ("low_noise.safetensors", True)


@pytest.mark.parametrize(
    ("lora", "loads"),
    [
        ("pair/low_noise.safetensors", [LOW]),
        ("pair/high_noise.safetensors", [HIGH]),
        ("ink.safetensors@transformer_2", [LOW]),
        ("second.safetensors", [LOW]),
        ("both.safetensors", [HIGH, LOW]),
        ("pair", [HIGH, LOW]),
        ("pair@transformer_2", [LOW]),
    ],
)
def test_a_lora_goes_to_the_transformer_that_it_is_for(lora, loads, command, place):
    output = f"made-{lora.replace('/', '-')}"
    line = ("video", "a cat", "--model", "wan.yaml", "--devices", "cpu", "--cores", 1)
    kept = ("--algo", "sequential", "--save-latents", "--output", output, "-q")
    command(*line, "--lora", f"{lora}={SCALE}", *kept, cwd=place)
    record = json.loads((place / output / "run.json").read_text())
    assert record["settings"]["loras"] == [{"source": lora, "scale": SCALE}]
    (made,) = record["prompts"]
    found = load_file(place / output / made["outputs"][-1]["latent"])["latent"]
    assert found.equal(stock(place, *loads))
    assert not found.equal(stock(place))


def test_a_lora_that_tells_no_transformer_is_refused_by_name(command, place):
    line = ("video", "a cat", "--model", "wan.yaml", "--devices", "cpu", "--dry-run")
    done = command(*line, "--lora", "ink.safetensors", cwd=place, code=2)
    assert done.err.splitlines() == [
        "error: LoRA ink.safetensors does not tell which of the model's two transformers it is for",
        "hint: use --lora ink.safetensors@transformer or --lora ink.safetensors@transformer_2; the "
        "second one takes the steps with less noise",
    ]


@pytest.mark.parametrize("lora", ["second.safetensors", "ink.safetensors@transformer_2"])
def test_a_lora_for_a_second_transformer_is_refused_where_there_is_one(lora, command, place):
    line = ("image", "a cat", "--model", "tiny", "--devices", "cpu", "--dry-run")
    done = command(*line, "--lora", lora, cwd=place, code=2)
    assert done.err.splitlines() == [
        f"error: LoRA {lora.partition('@')[0]} is for transformer_2, but the model has only "
        "transformer",
        "hint: name one that was made for this model",
    ]
