"""Which files of a repository are needed: the choices among what lies in a component's folder."""

import pytest

from chords_cli.hub.repository import UnloadableError, likely_json, needed_files


def needed(*names: str, library: str = "transformers", cls: str = "T5EncoderModel") -> set[str]:
    """The files of one component, `text_encoder`, that are needed."""
    documents = {
        "model_index.json": {
            "_class_name": "FluxPipeline",
            "text_encoder": [library, cls],
            "safety_checker": [None, None],
            "requires_safety_checker": True,
        },
        "text_encoder/model.safetensors.index.json": {
            "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "b.safetensors"}
        },
    }
    paths = [f"text_encoder/{name}" for name in names]
    found = needed_files(["model_index.json", *paths], documents.__getitem__)
    return {name.removeprefix("text_encoder/") for name in found if name != "model_index.json"}


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ("config.json model.safetensors model.fp16.safetensors pytorch_model.bin", {1, 0}),
        ("config.json model.safetensors model.safetensors.index.json", {1, 0}),
        ("config.json model.safetensors generation_config.json", {1, 0}),
        ("tokenizer_config.json tokenizer.json vocab.json merges.txt spiece.model", {1, 0}),
        ("tokenizer_config.json vocab.json merges.txt README.md", {0, 1, 2}),
        ("tokenizer_config.json spiece.model config.json", {0, 1, 2}),
        (
            "tokenizer_config.json tokenizer.json chat_template.jinja added_tokens.json",
            {0, 1, 2, 3},
        ),
        ("preprocessor_config.json preview.png", {0}),
        ("scheduler_config.json config.json", {0}),
    ],
)
def test_one_of_every_kind_is_chosen(names, left):
    files = names.split()
    assert needed(*files) == {files[number] for number in left}


def test_an_index_is_needed_with_its_shards_alone():
    index, shard = "model.safetensors.index.json", "model-00001-of-00002.safetensors"
    others = ("model-00001-of-00009.safetensors", "b.safetensors")
    assert needed("config.json", index, shard, *others) == {
        *("config.json", index, shard, "b.safetensors")
    }


def test_diffusers_prefers_the_other_name_and_shards():
    files = ("config.json", "model.safetensors", "diffusion_pytorch_model.safetensors")
    found = needed(*files, library="diffusers", cls="AutoencoderKL")
    assert found == {"config.json", "diffusion_pytorch_model.safetensors"}


def test_a_model_that_generates_opens_its_generation_config():
    files = ("config.json", "generation_config.json", "model.safetensors")
    assert needed(*files, cls="LlamaForCausalLM") == set(files)


def test_bytes_need_no_vocabulary():
    files = ("tokenizer_config.json", "special_tokens_map.json")
    assert needed(*files, cls="ByT5Tokenizer") == set(files)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("config.json", "component text_encoder has no model.safetensors: "),
        ("config.json pytorch_model.bin", "component text_encoder has no model.safetensors: "),
        ("config.json model.fp16.safetensors", "component text_encoder has no model.safetensors: "),
        ("model.safetensors", "component text_encoder has no configuration"),
        ("", "component text_encoder has no configuration"),
        ("tokenizer_config.json vocab.json", "component text_encoder has no vocabulary"),
        (
            "config.json model.safetensors.index.json b.safetensors",
            "component text_encoder has no model-00001-of-00002.safetensors, which its index names",
        ),
    ],
)
def test_what_no_run_could_open_is_refused(names, message):
    with pytest.raises(UnloadableError) as raised:
        needed(*names.split())
    assert str(raised.value).startswith(message)


def test_hidden_files_are_guessed_from_names_well_enough_for_a_size():
    names = [
        "model_index.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        "transformer/diffusion_pytorch_model-00001-of-00002.safetensors",
        "transformer/diffusion_pytorch_model-00002-of-00002.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "flux1-dev.safetensors",
    ]
    assert needed_files(names, lambda path: likely_json(names, path)) == sorted(names[:-1])
