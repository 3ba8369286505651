"""Which cores may share a picture's tokens, and what is said where they cannot."""

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.models.denoisers.source import attention_backends, planned_denoisers
from chords_cli.presets.files import load_preset
from chords_cli.runs.settings.layouts.members import check_members
from chords_cli.runs.settings.layouts.placement import place

FOUR = "cuda:0,cuda:1,cuda:2,cuda:3"


def test_shared_tokens_give_a_core_to_as_many_devices_as_share_them(resolved, preset_file):
    for context, cores in ((1, 4), (2, 2), (4, 1)):
        settings = resolved(devices=FOUR, context=context, stop_index=1)
        assert (settings.members, settings.plan.cores) == (context, cores)
        assert settings.devices == tuple(FOUR.split(","))


def test_shared_tokens_and_split_guidance_take_devices_for_both(resolved, preset_file):
    guided = preset_file.read_text().replace("guidance_scale: 3.5", "true_cfg_scale: 4.0")
    preset_file.write_text(guided)
    settings = resolved(devices=FOUR, context=2, guidance_split=True, stop_index=1)
    assert (settings.members, settings.plan.cores) == (4, 1)
    assert settings.note == (
        "1 core on 4 devices each, which share every picture's tokens; toy takes up to 4 where "
        "there are devices for them"
    )


def test_a_preset_may_share_tokens_and_an_option_may_not(resolved, preset_file):
    preset_file.write_text(preset_file.read_text() + "context: 2\n")
    assert resolved().members == 2
    assert resolved(context=1).members == 1


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            {"devices": "cuda:0", "context": 2},
            "2 processes would share cuda:0, but with context 2 each of a core's 2 processes needs "
            "a device of its own",
            "name more --devices, or --context 1",
        ),
        (
            {"devices": FOUR, "context": 2, "cores": 3},
            "2 processes would share cuda:0, but with context 2 each of a core's 2 processes needs "
            "a device of its own",
            "use --cores 2, or --context 1",
        ),
        (
            {"devices": "cpu,cuda:0", "context": 2},
            "cpu and cuda cannot exchange tokens, and context is 2",
            "name --devices of one kind, or use --context 1",
        ),
        ({"context": 0}, "context is 0, but must be at least 1", "try --context 1"),
    ],
)
def test_devices_that_cannot_exchange_tokens_are_refused(refused, options, message, hint):
    assert refused(**options) == (message, hint)


def test_members_that_share_the_host_are_told_what_they_hold():
    placement = place(1, ("cpu",), wished=1, preset="flux", members=4, context=2)
    assert placement.devices == ("cpu",) * 4
    assert placement.note == "the 4 members of a core share cpu"


def test_what_diffusers_can_share_is_read_from_its_source():
    assert {"Flux", "QwenImage", "Wan"} <= set(planned_denoisers())
    assert {"native", "flash"} <= set(attention_backends())
    assert "flex" not in attention_backends()


@pytest.mark.parametrize(
    ("pipeline", "why"),
    [
        ("StableDiffusion3Pipeline", "diffusers has no plan for SD3Transformer2DModel"),
        (
            "LTXPipeline",
            "the mask of its text is for all heads of attention, and diffusers cuts none of "
            "LTXVideoTransformer3DModel's (its issue 14316)",
        ),
    ],
)
def test_a_model_whose_tokens_cannot_be_shared_is_refused_by_its_name(preset_file, pipeline, why):
    preset = load_preset(preset_file)
    known = ", ".join(name for name in planned_denoisers() if not name.startswith("LTX"))
    other = preset.model_copy(update={"pipeline": pipeline, "path": None, "repo": "some/model"})
    with pytest.raises(UsageError) as caught:
        check_members(other, other.call, split=False, context=2)
    message, hint = caught.value.spelled(as_option)
    assert message == f"toy cannot share its tokens: {why}"
    assert hint == "use --context 1, or more --cores" + (
        f"; it has plans for {known}" if "SD3" in why else ""
    )


def test_attention_that_cannot_be_shared_is_refused(refused, monkeypatch):
    monkeypatch.setenv("DIFFUSERS_ATTN_BACKEND", "flex")
    message, hint = refused(context=2)
    assert message.startswith(
        "DIFFUSERS_ATTN_BACKEND is flex, but members that share tokens compute attention with flash"
    )
    assert hint == "unset DIFFUSERS_ATTN_BACKEND, or use --context 1"


def test_compiled_blocks_are_refused(refused, preset_file):
    preset_file.write_text(preset_file.read_text() + "compile: {backend: eager}\n")
    message, hint = refused(context=2)
    assert message.startswith("toy compiles its blocks, and torch cannot compile how their members")
    assert hint == "remove compile from the preset, or use --context 1"


def test_a_cache_that_decides_by_tokens_is_refused(refused, preset_file):
    preset_file.write_text(preset_file.read_text() + "cache: {name: first-block}\n")
    message, hint = refused(algo="sequential", context=2)
    assert message.startswith("cache first-block of toy decides by the tokens that it sees")
    assert hint == "name another cache, or use --context 1"
