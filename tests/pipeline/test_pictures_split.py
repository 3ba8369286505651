"""Guidance split between two processes of a core, for pipelines that start from a picture."""

from collections.abc import Callable
from typing import Any

import pytest

from chords_cli.models.inputs.strength import steps_taken
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import wavefront_plan
from tests.doubles import zoo_pictures
from tests.pipeline.conftest import pool_of, threads_of
from tests.pipeline.members import CLOSE, DOUBLED, NEGATIVE, SEED, gap, picture_call, sampled
from tests.pipeline.oracle import pipeline_outputs

pytestmark = pytest.mark.broad

TOLD = ("flux-img2img", "flux-inpaint", "flux-kontext", "flux-controlnet", "hunyuan-i2v")
"""Pipelines that are told their guidance, and are guided with a negative prompt too."""

DISTILLED = ("flux-fill", "flux-control", "flux2-image", "flux2-images")
"""Pipelines that have no other guidance."""

GUIDED = [member for member in zoo_pictures.BUILDERS if member not in DISTILLED]


@pytest.mark.parametrize("member", GUIDED)
def test_a_split_core_that_leaves_out_steps_makes_what_a_whole_one_makes(
    member: str, spec: Callable[[str, str], ModelSpec], loaded: Callable[[str, str], Any]
) -> None:
    pipe, call = loaded(member, "float32"), picture_call(member)
    call |= NEGATIVE if member.startswith(TOLD) else {}
    steps = steps_taken(type(pipe).__name__, call)
    plan = wavefront_plan(steps, 1, steps - 2)
    with pool_of(spec(member, "float32"), 2, decoders=frozenset({0}), members=2) as pool:
        made = sampled(pool, plan, call)
    with threads_of(2):
        expected = pipeline_outputs(pipe, call, SEED, plan)
    for output, oracle in zip(made, expected, strict=True):
        far = gap(output, oracle.latent)
        assert far <= (CLOSE if member.startswith(DOUBLED) else 0), oracle.index
