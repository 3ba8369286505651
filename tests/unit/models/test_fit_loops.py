"""Calls that draw noise or have a prompt written are refused before anything is loaded."""

import re

import pytest


@pytest.fixture
def calling(preset_file, torchvision, monkeypatch, tmp_path):
    """Has the preset name a pipeline and its call, in a repository that is not on this machine."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))

    def write(pipeline, further=""):
        text = preset_file.read_text().replace("FluxPipeline", pipeline)
        text = re.sub("call: {.*?}", f"call: {{num_inference_steps: 8, {further}}}", text)
        preset_file.write_text(text.replace("path: weights", "repo: nobody/nothing"))

    return write


@pytest.mark.parametrize(
    ("pipeline", "call", "message", "hint"),
    [
        (
            "LTXConditionPipeline",
            "num_frames: 1",
            "image_cond_noise_scale is 0.15: LTXConditionPipeline draws noise in every step, which "
            "cores cannot share",
            "write `image_cond_noise_scale: 0` in the preset's call",
        ),
        (
            "Flux2Pipeline",
            "caption_upsample_temperature: 0.15",
            "caption_upsample_temperature is 0.15: Flux2Pipeline has a language model write the "
            "prompt, which cores cannot share",
            "write `caption_upsample_temperature: null` in the preset's call",
        ),
        (
            "FluxInpaintPipeline",
            "padding_mask_crop: 32, image: a, mask_image: b",
            "padding_mask_crop is 32: FluxInpaintPipeline pastes what it makes into the picture, "
            "and hands out no latent, which cores cannot share",
            "write `padding_mask_crop: null` in the preset's call",
        ),
        (
            "LongCatImagePipeline",
            "",
            "enable_prompt_rewrite is True: LongCatImagePipeline has a language model write the "
            "prompt, which cores cannot share",
            "write `enable_prompt_rewrite: false` in the preset's call",
        ),
    ],
)
def test_an_argument_that_has_to_be_off_is_refused(refused, calling, pipeline, call, message, hint):
    calling(pipeline, call)
    assert refused() == (message, hint)


@pytest.mark.parametrize(
    ("pipeline", "call"),
    [
        ("Flux2Pipeline", ""),
        ("Flux2Pipeline", "caption_upsample_temperature: null"),
        ("LongCatImagePipeline", "enable_prompt_rewrite: false"),
        ("ErnieImagePipeline", "use_pe: false"),
        ("LTXConditionPipeline", "num_frames: 1, image_cond_noise_scale: 0"),
    ],
)
def test_it_is_accepted_when_it_is_off(resolved, calling, pipeline, call):
    calling(pipeline, call)
    resolved()


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        ("CosmosVideoToWorldPipeline", "draws noise in every step, which cores cannot share"),
        (
            "GlmImagePipeline",
            "samples what its picture is made from with a language model, before its loop",
        ),
        ("WanAnimatePipeline", "makes its video in sections, each in a loop of its own"),
        ("HunyuanVideoFramepackPipeline", "makes its video in sections, each in a loop of its own"),
        (
            "AnyFlowFARPipeline",
            "moves several latents a step, each by its own copy of the scheduler",
        ),
        (
            "Kandinsky6TI2VAPipeline",
            "moves several latents a step, each by its own copy of the scheduler",
        ),
    ],
)
def test_a_pipeline_whose_loop_cores_cannot_share_is_refused(refused, calling, pipeline, reason):
    calling(pipeline)
    message, hint = refused()
    assert message == f"{pipeline} {reason}"
    assert hint == (
        "chords needs one prompt, one loop and one latent; run this pipeline with diffusers alone"
    )
