"""What a preset says of pictures: rules by role, and the pipelines that take them."""

import pytest
import yaml

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.presets.files import check_preset, to_yaml
from chords_cli.presets.inputs import InputRule, Variant
from chords_cli.presets.roles import ROLES

BASE = {
    "name": "mine",
    "title": "Mine",
    "kind": "image",
    "path": "weights",
    "pipeline": "FluxPipeline",
    "call": {"height": 128, "width": 128, "num_inference_steps": 50, "guidance_scale": 3.5},
    "limits": {"size_multiple": 16},
}


def preset(written: str = ""):
    """The preset with these lines of YAML on top."""
    return check_preset(BASE | (yaml.safe_load(written) or {}), "mine.yaml")


def refusal(written: str) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        preset(written)
    message, hint = caught.value.spelled(as_option)
    return message.removeprefix("mine.yaml: "), hint


def test_a_role_that_is_named_is_required_and_one_file_unless_it_says_otherwise():
    rules = preset("inputs: {image: {several: true}, mask: {required: false}, control: {}}").inputs
    assert rules == {
        "image": InputRule(several=True),
        "mask": InputRule(required=False),
        "control": InputRule(argument=None, several=False, required=True),
    }


def test_a_variant_is_the_name_of_its_pipeline_or_a_mapping():
    variants = preset(
        "variants: {image: FluxImg2ImgPipeline, mask: {pipeline: FluxInpaintPipeline,"
        " call: {guidance_scale: 7.0}, inputs: {mask: {argument: mask_image}}}}"
    ).variants
    assert variants["image"] == Variant(pipeline="FluxImg2ImgPipeline")
    assert variants["mask"].call == {"guidance_scale": 7.0}
    assert variants["mask"].inputs == {"mask": InputRule(argument="mask_image")}


def test_the_variant_of_the_most_specific_role_is_taken_with_its_call_and_rules():
    mine = preset(
        "inputs: {image: {several: true, required: false}}\n"
        "variants: {image: FluxImg2ImgPipeline, mask: {pipeline: FluxInpaintPipeline,"
        " call: {guidance_scale: 7.0}, inputs: {mask: {argument: mask_image}}}}"
    )
    assert mine.starting_from(()) is mine
    assert mine.starting_from(("control",)) is mine
    assert mine.starting_from(("image",)).pipeline == "FluxImg2ImgPipeline"
    masked = mine.starting_from(("image", "mask"))
    assert masked.pipeline == "FluxInpaintPipeline"
    assert masked.call == mine.call | {"guidance_scale": 7.0}
    assert list(masked.inputs) == ["image", "mask"]


def test_what_it_says_of_inputs_is_no_part_of_which_model_it_is():
    mine = preset("inputs: {image: {required: false}}\nvariants: {image: FluxImg2ImgPipeline}")
    assert mine.identity == preset().identity
    assert mine.starting_from(["image"]).identity["pipeline"] == "FluxImg2ImgPipeline"


def test_it_can_be_written_out_and_read_again():
    mine = preset("inputs: {last-image: {}}\nvariants: {image: FluxImg2ImgPipeline}")
    data = yaml.safe_load(to_yaml(mine))
    assert data["inputs"]["last-image"] == {"argument": None, "several": False, "required": True}
    again = check_preset(data | {"path": "weights"}, "again.yaml")
    assert (again.inputs, again.variants) == (mine.inputs, mine.variants)


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        (
            "inputs: {masks: {}}",
            "inputs.masks is not a key of presets",
            f"did you mean mask? allowed here: {', '.join(ROLES)}",
        ),
        (
            "variants: {picture: FluxImg2ImgPipeline}",
            "variants.picture is not a key of presets",
            f"allowed here: {', '.join(ROLES)}",
        ),
        (
            "inputs: {image: {severall: true}}",
            "inputs.image.severall is not a key of presets (its value is true)",
            "did you mean several? allowed here: argument, several, required",
        ),
        (
            "inputs: {image: {several: 3}}",
            "inputs.image.several is 3, but must be true or false",
            "write inputs.image.several: true",
        ),
        (
            "inputs: [image]",
            "inputs is ['image'], but must be a mapping of keys",
            "write inputs: {mask: {required: false}}",
        ),
        (
            "variants: {image: Flux}",
            "variants.image.pipeline is 'Flux', but must be the name of a pipeline class of"
            " diffusers, ...Pipeline",
            "write variants.image.pipeline: FluxImg2ImgPipeline",
        ),
        (
            "variants: {image: {pipeline: FluxImg2ImgPipeline, call: {height: tall}}}",
            "variants.image.call.height is 'tall', but must be a whole number",
            "write variants.image.call: {guidance_scale: 7.0}",
        ),
        (
            "variants: {image: {pipeline: FluxImg2ImgPipeline, call: {prompt: x}}}",
            "variants.image.call.prompt is 'x', but must be left out: every run sets it itself",
            "write variants.image.call: {guidance_scale: 7.0}",
        ),
        (
            "variants: {image: {pipeline: FluxImg2ImgPipeline, call: {height: 100}}}",
            "height is 100, but this model takes a multiple of 16",
            "fix it in mine.yaml",
        ),
    ],
)
def test_a_wrong_key_or_value_is_explained(written, message, hint):
    assert refusal(written) == (message, hint)
