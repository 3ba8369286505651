"""`--lora` as a user types it: its second value, what it changes, what is refused."""

import json

import pytest
import torch
from diffusers import FluxPipeline
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from chords_cli.cli.options import parse_loras
from chords_cli.sampler import wavefront_plan
from tests.pipeline.oracle import pipeline_outputs, stock_latent

TINY = ("--model", "tiny", "--devices", "cpu")
CAT = "0001-a-cat-s42"
EXACT = f"{CAT}-output2-core0"
SEED, SCALE = 42, 0.7


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("loras")


@pytest.fixture(scope="module")
def lora(home, place):
    """A LoRA of transformer and text encoder whose alphas are not its ranks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe = load(home)
        config = {"r": 4, "init_lora_weights": False}
        linear = ["to_q", "to_k", "proj_out"]
        pipe.transformer.add_adapter(LoraConfig(lora_alpha=8, target_modules=linear, **config))
        pipe.text_encoder.add_adapter(LoraConfig(lora_alpha=2, target_modules=["q_proj"], **config))
    parts = {"transformer": pipe.transformer, "text_encoder": pipe.text_encoder}
    layers = {f"{name}_lora_layers": get_peft_model_state_dict(p) for name, p in parts.items()}
    pipe.save_lora_weights(place / "style", **layers, **_collate_lora_metadata(parts))
    (place / "style" / "pytorch_lora_weights.safetensors").rename(place / "style" / "s.safetensors")
    return "style/s.safetensors"


@pytest.fixture(scope="module")
def run(command, place, lora):
    """Runs with the LoRA and other options; gives the folder."""

    def run_command(output, *options):
        kept = ("--cores", 2, "--all-cores", "--save-latents", "--output", output, "-q")
        command("image", "a cat", *TINY, *options, *kept, cwd=place)
        return place / output

    return run_command


@pytest.fixture(scope="module")
def styled(run, lora):
    return run("styled", "--lora", f"{lora}={SCALE}")


def load(home):
    return FluxPipeline.from_pretrained(f"{home['HOME']}/model", local_files_only=True)


def latent(path):
    return load_file(f"{path}.safetensors")["latent"]


def record(folder):
    return json.loads((folder / "run.json").read_text())


def call(folder):
    return record(folder)["settings"]["call"] | {"prompt": "a cat"}


def test_core_0_equals_stock_diffusers_and_every_output_the_oracle(home, styled, place, lora):
    pipe = load(home)
    pipe.load_lora_weights(str(place), weight_name=lora, adapter_name="style")
    pipe.set_adapters(["style"], [SCALE])
    pipe.set_progress_bar_config(disable=True)
    assert latent(styled / EXACT).equal(stock_latent(pipe, call(styled), SEED))
    plan = wavefront_plan(8, 2, record(styled)["plan"]["planned_rounds"])
    expected = pipeline_outputs(pipe, call(styled), SEED, plan)
    outputs = record(styled)["prompts"][0]["outputs"]
    for output, oracle in zip(outputs, expected, strict=True):
        found = load_file(styled / output["latent"])["latent"]
        assert found.equal(oracle.latent), output["index"]


def test_a_lora_changes_the_picture_and_with_scale_0_it_does_not(home, styled, run, lora):
    plain = stock_latent(load(home), call(styled), SEED)
    assert not latent(styled / EXACT).equal(plain)
    nothing = run("nothing", "--lora", f"{lora}=0")
    assert latent(nothing / EXACT).equal(plain)


def test_a_lora_keeps_its_bits_where_guidance_is_split(run, styled, lora):
    split = run("split", "--lora", f"{lora}={SCALE}", "--guidance-split")
    for output in record(styled)["prompts"][0]["outputs"]:
        whole, halves = (load_file(at / output["latent"])["latent"] for at in (styled, split))
        assert halves.equal(whole), output["index"]


def test_two_loras_and_a_folder_add_up(run, styled, lora):
    both = run("both", "--lora", "style=0.5", "--lora", f"{lora}=0.2")
    gap = (latent(both / EXACT) - latent(styled / EXACT)).abs().max()
    assert gap < 1e-4
    assert not latent(both / EXACT).equal(latent(styled / CAT))


def test_the_record_names_loras_as_they_were_given(styled, lora):
    assert record(styled)["settings"]["loras"] == [{"source": lora, "scale": SCALE}]


def test_a_picture_is_made_again_with_its_lora(styled, command, place):
    options = ("--from-metadata", styled / f"{EXACT}.png", "--dry-run", "--json")
    document = json.loads(command("image", *options, cwd=place).out)
    assert document["settings"]["loras"] == record(styled)["settings"]["loras"]


def test_resume_refuses_another_scale(styled, command, place, lora):
    options = ("--cores", 2, "--lora", f"{lora}=0.8", "--resume", "--output", styled)
    done = command("image", "a cat", *TINY, *options, cwd=place, code=2)
    assert "loras was [{'source': 'style/s.safetensors', 'scale': 0.7}]" in done.err


def test_a_lora_of_another_model_is_refused(command, place):
    save_file({"unet.conv_in.lora_A.weight": torch.zeros(1, 1)}, place / "other.safetensors")
    options = ("--lora", "other.safetensors", "--output", "other")
    done = command("image", "a cat", *TINY, *options, cwd=place, code=2)
    assert done.err.splitlines()[-2:] == [
        f"error: core 0 on cpu: LoRA {place / 'other.safetensors'} fits no part of FluxPipeline",
        "hint: name one that was made for this model",
    ]
    assert not (place / "other").exists()


@pytest.mark.parametrize(
    ("typed", "source", "scale"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors=0.5", "a.safetensors", 0.5),
        ("c/d=-2", "c/d", -2.0),
        ("a=b", "a=b", 1.0),
        ("a=b=0.5", "a=b", 0.5),
    ],
)
def test_a_number_behind_an_equals_sign_is_the_scale_which_else_is_1(typed, source, scale):
    assert parse_loras([typed]) == ((source, scale),)


def test_a_scale_that_is_typed_as_a_second_word_is_no_prompt(command, place, lora):
    done = command("image", "a cat", *TINY, "--lora", lora, "0.5", cwd=place, code=2)
    assert done.err.splitlines() == [
        "error: prompt '0.5' is a number, and there is a LoRA",
        f"hint: write its scale with it, as in --lora {lora}=0.5",
    ]


def test_a_lora_without_a_source_is_refused(command, place):
    done = command("image", "a cat", "--lora", cwd=place, code=2)
    assert done.err.startswith("error: Option '--lora' requires an argument")
