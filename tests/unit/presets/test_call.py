"""Which argument of a call is its guidance, and what it may be."""

import math

import pytest

from chords_cli.presets.call import (
    guidance_key,
    guidance_of,
    is_guidance,
    is_guided_twice,
    true_guidance,
    with_guidance,
)

PLAIN, TRUE, BOTH = (
    {"guidance_scale": 3.5},
    {"true_cfg_scale": 4.0},
    {"guidance_scale": 1.0, "true_cfg_scale": 2.0},
)


@pytest.mark.parametrize(
    ("call", "key", "guidance"),
    [
        ({"width": 8}, None, None),
        (PLAIN, "guidance_scale", 3.5),
        (TRUE, "true_cfg_scale", 4.0),
        (BOTH, "true_cfg_scale", 2.0),
        (PLAIN | {"true_cfg_scale": None}, "true_cfg_scale", None),
    ],
)
def test_guidance_is_the_true_one_where_a_call_holds_both(call, key, guidance):
    assert (guidance_key(call), guidance_of(call)) == (key, guidance)


@pytest.mark.parametrize(
    ("call", "guided"),
    [
        ({"width": 8}, {"width": 8, "guidance_scale": 7.0}),
        (PLAIN, {"guidance_scale": 7.0}),
        (BOTH, {"guidance_scale": 1.0, "true_cfg_scale": 7.0}),
    ],
)
def test_guidance_is_set_where_the_call_has_it(call, guided):
    before = dict(call)
    assert with_guidance(call, 7.0) == guided
    assert call == before


@pytest.mark.parametrize("guidance", [0, 0.0, 1, 1e38])
def test_numbers_from_zero_guide(guidance):
    assert is_guidance(guidance)


@pytest.mark.parametrize("guidance", [-1, -1e-9, math.inf, -math.inf, math.nan])
def test_negative_and_infinite_numbers_do_not_guide(guidance):
    assert not is_guidance(guidance)


@pytest.mark.parametrize(
    ("pipeline", "call", "guidance"),
    [
        ("FluxPipeline", PLAIN, 1.0),
        ("Flux2Pipeline", PLAIN, 1.0),
        ("Flux2KleinPipeline", PLAIN, 3.5),
        ("Flux2KleinPipeline", {"guidance_scale": 1.0}, 1.0),
        ("Flux2KleinKVPipeline", {}, 1.0),
        ("HunyuanVideoPipeline", PLAIN, 1.0),
        ("HunyuanVideo15Pipeline", {}, 4.0),
        ("ZImagePipeline", {"guidance_scale": 0.0}, 1.0),
    ],
)
def test_guidance_is_true_where_the_pipeline_calls_its_model_twice(pipeline, call, guidance):
    assert true_guidance(pipeline, call) == guidance
    assert is_guided_twice(pipeline, call) == (guidance > 1)
