"""Which files of a repository are needed: the choices among what lies in a component's folder."""

import pytest

from chords_cli.hub.repository import Pieces, UnloadableError, likely_json, needed_files


def needed(
    *names: str,
    library: str = "transformers",
    cls: str = "T5EncoderModel",
    variant: str | None = None,
) -> set[str]:
    """The files of one component, `text_encoder`, that are needed."""
    documents = {
        "model_index.json": {
            "_class_name": "FluxPipeline",
            "text_encoder": [library, cls],
            "safety_checker": [None, None],
            "requires_safety_checker": True,
        },
        "text_encoder/model.safetensors.index.fp16.json": {
            "weight_map": {"a": "model.fp16-00001-of-00001.safetensors"}
        },
        "text_encoder/model.safetensors.index.json": {
            "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "b.safetensors"}
        },
    }
    paths = [f"text_encoder/{name}" for name in names]
    found = needed_files(["model_index.json", *paths], documents.__getitem__, variant)
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


def test_a_variant_is_chosen_where_it_is_asked_for():
    files = {"config.json", "model.fp16.safetensors"}
    assert needed(*files, "model.safetensors", variant="fp16") == files
    shards = {
        *("config.json", "model.safetensors.index.fp16.json"),
        "model.fp16-00001-of-00001.safetensors",
    }
    assert needed(*shards, "model.safetensors", variant="fp16") == shards


@pytest.mark.parametrize(
    "weights",
    [
        "model.fp16.safetensors",
        "model.fp16-00001-of-00002.safetensors",
        "model-00001-of-00002.fp16.safetensors",
    ],
)
@pytest.mark.parametrize("variant", [None, "bf16"])
def test_weights_of_another_variant_are_named(weights, variant):
    with pytest.raises(UnloadableError) as raised:
        needed("config.json", weights, variant=variant)
    assert str(raised.value).endswith("no model.safetensors, only weights of the variant fp16")
    assert raised.value.hint == "write `variant: fp16` in the preset"


def test_a_variant_that_no_component_has_is_refused():
    with pytest.raises(UnloadableError, match="no component has weights of the variant fp16"):
        needed("config.json", "model.safetensors", variant="fp16")


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


def test_hidden_shards_of_a_variant_are_guessed_too():
    stem = "transformer/diffusion_pytorch_model"
    names = [
        "model_index.json",
        "transformer/config.json",
        f"{stem}.fp16-00001-of-00002.safetensors",
        f"{stem}.fp16-00002-of-00002.safetensors",
        f"{stem}.safetensors.index.fp16.json",
        f"{stem}.safetensors",
    ]
    found = needed_files(names, lambda path: likely_json(names, path), "fp16")
    assert found == sorted(names[:-1])


CONTROL = {
    "config.json": {"_class_name": "ControlNetModel"},
    "models/encoder/config.json": {"architectures": ["CLIPVisionModelWithProjection"]},
    "nothing/config.json": {"model_type": "clip"},
}
"""A repository of parts for other models: one at its root, one in a folder."""

OF_PARTS = [
    *("README.md", "config.json", "diffusion_pytorch_model.safetensors"),
    *("diffusion_pytorch_model.fp16.safetensors", "checkpoint-9/config.json"),
    *("checkpoint-9/diffusion_pytorch_model.safetensors", "models/encoder/config.json"),
    *("models/encoder/model.safetensors", "models/encoder/pytorch_model.bin"),
    *("sdxl/ip-adapter.safetensors", "sdxl/ip-adapter.bin", "nothing/config.json"),
]


@pytest.mark.parametrize(
    ("pieces", "variant", "found"),
    [
        (
            Pieces(folders=(".",)),
            None,
            ["config.json", "diffusion_pytorch_model.safetensors"],
        ),
        (
            Pieces(folders=(".",)),
            "fp16",
            ["config.json", "diffusion_pytorch_model.fp16.safetensors"],
        ),
        (
            Pieces(folders=("models/encoder",), files=("sdxl/ip-adapter.safetensors",)),
            "fp16",
            [
                "models/encoder/config.json",
                "models/encoder/model.safetensors",
                "sdxl/ip-adapter.safetensors",
            ],
        ),
    ],
)
def test_of_parts_for_other_models_only_those_are_needed_that_are_taken(pieces, variant, found):
    assert needed_files(OF_PARTS, CONTROL.__getitem__, variant, pieces) == found
    guess = needed_files(OF_PARTS, lambda path: likely_json(OF_PARTS, path), variant, pieces)
    assert guess == found


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (Pieces(folders=("vae",)), "there is no vae/config.json: it holds no model there"),
        (Pieces(files=("a.safetensors",)), "there is no a.safetensors"),
        (
            Pieces(folders=("nothing",)),
            "nothing/config.json names no class of diffusers or transformers",
        ),
        (
            Pieces(folders=("checkpoint-9",)),
            "component checkpoint-9 has no model.safetensors: other formats are not loaded",
        ),
    ],
)
def test_parts_that_are_not_there_are_refused(pieces, message):
    documents = CONTROL | {"checkpoint-9/config.json": {"architectures": ["T5EncoderModel"]}}
    with pytest.raises(UnloadableError) as raised:
        needed_files(OF_PARTS, documents.__getitem__, None, pieces)
    assert str(raised.value) == message


def test_of_a_pipeline_those_components_are_left_out_that_come_from_elsewhere():
    index = {"vae": ["diffusers", "AutoencoderKL"], "scheduler": ["diffusers", "DDIMScheduler"]}
    names = ["model_index.json", "scheduler/scheduler_config.json"]
    found = needed_files(names, lambda path: index, None, Pieces(without=("vae",)))
    assert found == names
