"""Which step caches a model takes, told from source alone, and what is said where it does not."""

import importlib
import inspect
from dataclasses import fields

import diffusers
import diffusers.hooks
import pytest
from diffusers.hooks._helpers import TransformerBlockRegistry

from chords_cli.errors import UsageError
from chords_cli.models.denoisers.caches import cache_arguments, check_cache
from chords_cli.models.denoisers.source import read_denoiser, read_parameters, registered_blocks
from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.models.repositories import find_model
from chords_cli.pipelines.load.spec import CACHES
from chords_cli.presets.parts import Cache

FLUX = {"transformer": ["diffusers", "FluxTransformer2DModel"]}
WAN = {"transformer": ["diffusers", "WanTransformer3DModel"]}
OWN = {"cache_identifiers": ["blocks.*attn1"]}
RATIOS = {"mag_ratios": [1.0, 1.02, 0.98]}

WORK = {
    ("first-block", "FluxPipeline", "FluxTransformer2DModel"): {},
    ("first-block", "WanPipeline", "WanTransformer3DModel"): {},
    ("taylorseer", "FluxPipeline", "FluxTransformer2DModel"): {},
    ("taylorseer", "WanPipeline", "WanTransformer3DModel"): OWN,
    ("mag", "FluxPipeline", "FluxTransformer2DModel"): RATIOS,
    ("faster", "CogVideoXPipeline", "CogVideoXTransformer3DModel"): {},
    ("pyramid", "CogVideoXPipeline", "CogVideoXTransformer3DModel"): {},
}

REFUSED = {
    "a model that diffusers cannot cache": (
        ("pyramid", "SanaPipeline", "SanaTransformer2DModel", {}),
        "cache pyramid has to be told the timestep, which SanaPipeline does not",
        "name another cache, or leave it out",
    ),
    "a denoiser without a cache": (
        ("first-block", "WanPipeline", "SD3Transformer2DModel", {}),
        "diffusers has no step cache for SD3Transformer2DModel",
        "leave the cache out",
    ),
    "blocks that are not registered": (
        ("first-block", "HunyuanVideo15Pipeline", "HunyuanVideo15Transformer3DModel", {}),
        "cache first-block does not know HunyuanVideo15TransformerBlock of "
        "HunyuanVideo15Transformer3DModel",
        "name another cache, or leave it out",
    ),
    "a pipeline that does not tell its calls apart": (
        ("first-block", "ChromaPipeline", "ChromaTransformer2DModel", {}),
        "cache first-block has to be told which call of its model is which, which ChromaPipeline "
        "does not",
        "name another cache, or leave it out",
    ),
    "attention of another name": (
        ("taylorseer", "WanPipeline", "WanTransformer3DModel", {}),
        "cache taylorseer looks for attn in every block, and WanTransformer3DModel has attn1 and "
        "attn2",
        "say what to cache with its cache_identifiers, or name another cache",
    ),
    "no ratios": (
        ("mag", "FluxPipeline", "FluxTransformer2DModel", {}),
        "cache mag needs mag_ratios, which every model has of its own",
        "write `calibrate: true` in its args once: that run tells them",
    ),
    "guided and unguided calls": (
        ("pyramid", "WanPipeline", "WanTransformer3DModel", {}),
        "cache pyramid counts calls, and WanPipeline makes two a step at guidance 4: one would get "
        "the other's attention",
        "use first-block, which tells them apart, or guidance=1.0",
    ),
    "tokens": (
        ("faster", "LTXPipeline", "LTXVideoTransformer3DModel", {}),
        "cache faster looks for frequencies in pictures, and LTXPipeline hands its model tokens",
        "use first-block, or guidance=1.0",
    ),
    "a parameter that it has not": (
        ("first-block", "FluxPipeline", "FluxTransformer2DModel", {"treshold": 0.1}),
        "cache first-block has no parameter treshold",
        "did you mean threshold? it has threshold",
    ),
    "a parameter of another type": (
        ("taylorseer", "FluxPipeline", "FluxTransformer2DModel", {"cache_interval": "often"}),
        "cache_interval of cache taylorseer is 'often', but must be a whole number",
        "without cache_interval it has diffusers' default",
    ),
}


def preset(pipeline, name, args, **keys):
    base = find_model("demo-video")
    cache = Cache(name=name, args=args)
    return base.model_copy(update={"pipeline": pipeline, "cache": cache, **keys})


def check(pipeline, name, args, *denoisers, algo="sequential", guidance=4.0, **keys):
    model = preset(pipeline, name, args, **keys)
    parts = ("transformer", "transformer_2")
    index = {part: ["diffusers", cls] for part, cls in zip(parts, denoisers, strict=False)}
    check_cache(model, model.call | {"guidance_scale": guidance}, index, algo)


@pytest.mark.parametrize("case", WORK, ids=" ".join)
def test_a_cache_that_diffusers_has_for_the_model_is_accepted(case):
    name, pipeline, denoiser = case
    check(pipeline, name, WORK[case], denoiser)


@pytest.mark.parametrize(("case", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_a_cache_that_the_model_does_not_take_is_refused_by_name(case, message, hint):
    name, pipeline, denoiser, args = case
    with pytest.raises(UsageError) as caught:
        check(pipeline, name, args, denoiser)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("algo", ["wavefront", "chords"])
@pytest.mark.parametrize("name", CACHES)
def test_a_core_that_skips_steps_has_no_cache(algo, name):
    with pytest.raises(UsageError, match=f"and algo {algo} skips some"):
        check("FluxPipeline", name, RATIOS if name == "mag" else {}, algo=algo, guidance=1.0)


@pytest.mark.parametrize("name", ["faster", "pyramid"])
def test_one_call_a_step_is_right_for_a_cache_that_counts_calls(name):
    check("WanPipeline", name, {}, "WanTransformer3DModel", guidance=1.0)


def test_two_denoisers_share_no_count_of_steps():
    with pytest.raises(UsageError, match="counts the steps of one denoiser"):
        check("WanPipeline", "mag", RATIOS, *["WanTransformer3DModel"] * 2)


def test_compiled_blocks_and_a_cache_exclude_each_other():
    with pytest.raises(UsageError, match="cache first-block and compile exclude each other"):
        check("FluxPipeline", "first-block", {}, "FluxTransformer2DModel", compile={})


@pytest.mark.parametrize("name", CACHES)
def test_the_parameters_are_those_of_diffusers(name):
    config = getattr(diffusers.hooks, CACHES[name])
    known = {field.name for field in fields(config)}
    told = read_parameters(name)
    assert told.keys() == {k for k in known if not k.startswith("_") and "callback" not in k}


def test_the_registered_blocks_are_those_of_diffusers():
    with pytest.raises(ValueError, match="not registered"):
        TransformerBlockRegistry.get(int)  # which registers them all
    assert {cls.__name__ for cls in TransformerBlockRegistry._registry} <= registered_blocks()


@pytest.mark.parametrize(
    "name", ["FluxTransformer2DModel", "WanTransformer3DModel", "SD3Transformer2DModel"]
)
def test_a_denoiser_is_read_as_it_is(name):
    cls, read = getattr(diffusers, name), read_denoiser(name)
    module = importlib.import_module(cls.__module__)
    assert read.cached == hasattr(cls, "enable_cache")
    assert all(inspect.isclass(getattr(module, block)) for block in read.blocks)


@pytest.mark.parametrize(
    ("pipeline", "calls"),
    [
        ("FluxPipeline", 2),
        ("WanPipeline", 2),
        ("CogVideoXPipeline", 1),
        ("HunyuanVideo15Pipeline", 2),
        ("LTXPipeline", 1),
    ],
)
def test_a_pipeline_is_read_for_how_often_it_asks_in_a_step(pipeline, calls):
    assert read_pipeline(pipeline).evaluates == calls


def test_what_the_call_decides_is_filled_in():
    call = {"num_inference_steps": 20, "guidance_scale": 1.0}
    assert cache_arguments(preset("FluxPipeline", "mag", RATIOS), call)["args"] == {
        "num_inference_steps": 20,
        **RATIOS,
    }
    video = preset("CogVideoXPipeline", "faster", {})
    assert cache_arguments(video, call)["args"] == {
        "is_guidance_distilled": True,
        "tensor_format": "BFCHW",
    }
    assert not cache_arguments(video, call | {"guidance_scale": 6.0})["args"][
        "is_guidance_distilled"
    ]
