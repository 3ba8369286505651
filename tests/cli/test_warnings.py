"""What libraries say, and what was not made as it was asked for, reaches whoever runs a command."""

import json
from pathlib import Path

import numpy as np
import pytest
from diffusers import (
    DDIMScheduler,
    DiffusionPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor

from chords_cli.media.metadata import read_metadata
from tests.cli.test_video import PRESET as TINY_VIDEO
from tests.doubles import tiny
from tests.doubles.tiny_parts import clip_text_model, clip_tokenizer, image_vae, seeded

LONG = " ".join(["a cat riding a horse"] * 5)
TWO = ("--model", "tiny", "--devices", "cpu", "--cores", "2")
CUT = (
    'the prompt is 82 tokens long; text_encoder reads 77, so the last 5 were cut: "horse"',
    "the prompt is 26 tokens long; text_encoder_2 reads 24 (max_sequence_length in the preset's "
    'call), so the last 2 were cut: "a horse"',
)
PRESET = """
name: {name}
title: Tiny
kind: image
path: {folder}
pipeline: {pipeline}
dtype: {dtype}
license: {{name: MIT}}
call: {{height: 32, width: 32, num_inference_steps: 4, {call}}}
"""


def preset(
    folder: Path, pipe: DiffusionPipeline, call: str = "", dtype: str = "float32", more: str = ""
) -> str:
    """Saves a pipeline with a preset for it; returns the preset's file."""
    pipe.save_pretrained(folder / "model")
    values = {"name": folder.name.replace("_", "-"), "folder": folder / "model"}
    text = PRESET.format(**values, pipeline=type(pipe).__name__, dtype=dtype, call=call)
    (folder / "preset.yaml").write_text(text + more)
    return str(folder / "preset.yaml")


def told(answer) -> list[str]:
    """The warnings on standard error."""
    lines = answer.err.splitlines()
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


def test_a_prompt_that_was_cut_is_told_once_with_numbers(command, tmp_path):
    answer = command("image", *TWO, "--num", 2, "-o", "out", LONG, "a dog", cwd=tmp_path)
    assert told(answer) == [*CUT]
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["warnings"] == [*CUT]
    assert [made["warnings"] for made in record["prompts"]] == [[*CUT], [*CUT], [], []]


def test_a_program_reads_warnings_from_the_document_alone(command, tmp_path):
    answer = command("image", *TWO, "--json", "-o", "out", LONG, cwd=tmp_path)
    assert answer.document["warnings"] == [*CUT]
    assert answer.err == ""


def test_warnings_stay_in_the_record_when_a_run_goes_on(command, tmp_path):
    for more in ((), ("--resume",)):
        command("image", *TWO, *more, "-o", "out", LONG, cwd=tmp_path)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["warnings"] == [*CUT]


def test_a_comparison_tells_warnings_once_and_keeps_them(command, tmp_path):
    arms = ("--arm", "sequential", "--arm", "chords cores=2")
    model = ("--model", "tiny", "--devices", "cpu", "--steps", 4)
    answer = command("compare", *model, *arms, "-o", "out", LONG, cwd=tmp_path)
    assert told(answer) == [*CUT]
    assert json.loads((tmp_path / "out" / "compare.json").read_text())["warnings"] == [*CUT]
    assert "text_encoder reads 77, so the last 5 were cut" in (
        tmp_path / "out" / "compare.html"
    ).read_text(encoding="utf-8")


def test_a_size_that_was_rounded_is_told_and_files_tell_what_was_made(command, tmp_path):
    file = preset(tmp_path, tiny.flux(), "max_sequence_length: 16")
    answer = command("image", "-m", file, "-W", 35, "-H", 21, "-o", "out", "a cat", cwd=tmp_path)
    assert told(answer) == ["the pipeline rounded the size: it made 34x20, not 35x21"]
    (path,) = (tmp_path / "out").glob("*.png")
    with Image.open(path) as picture:
        assert picture.size == (34, 20)
        assert "Size: 34x20" in picture.info["parameters"]
    metadata = read_metadata(path)
    assert (metadata["call"]["width"], metadata["call"]["height"]) == (35, 21)
    made = {"width": 34, "height": 20, "frames": 1}
    assert metadata["output"].items() >= made.items()
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["prompts"][0]["outputs"][-1].items() >= made.items()
    again = command("image", "--from-metadata", path, "-m", file, "-o", "again", cwd=tmp_path)
    assert told(again) == told(answer)


def test_frames_that_were_rounded_are_told(command, tmp_path):
    tiny.wan().save_pretrained(tmp_path / "model")
    text = TINY_VIDEO.format(folder=tmp_path / "model")
    lines = [line for line in text.splitlines() if not line.startswith("limits")]
    (tmp_path / "preset.yaml").write_text("\n".join(lines))
    options = ("--model", "preset.yaml", "--frames", 8, "--steps", 3, "--devices", "cpu")
    answer = command("video", *options, "-o", "out", "a cat", cwd=tmp_path)
    assert told(answer) == ["the pipeline rounded the size: it made 9 frames, not 8"]
    assert read_metadata(next((tmp_path / "out").glob("*.mp4")))["output"]["frames"] == 9


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_guidance_that_does_nothing_is_refused_before_anything_loads(command, tmp_path, more):
    file = preset(tmp_path, tiny.flux(), "guidance_scale: 1.0, true_cfg_scale: 1.0")
    answer = command("image", "-m", file, "--guidance", 9, *more, "a cat", cwd=tmp_path, code=2)
    assert answer.err.splitlines()[-2:] == [
        "error: guidance is 9, but FluxPipeline guides only away from a negative prompt, and there "
        "is none",
        'hint: give one with --negative-prompt, or write `negative_prompt: ""` in the preset\'s '
        "call",
    ]


def test_guidance_of_a_model_that_cannot_be_told_it_is_refused(command, tmp_path):
    pipe = tiny.flux()
    pipe.transformer.register_to_config(guidance_embeds=False)  # as FLUX.1-schnell is
    file = preset(tmp_path, pipe, "guidance_scale: 0.0")
    answer = command("image", "-m", file, "--guidance", 9, "a cat", cwd=tmp_path, code=2)
    assert answer.err.splitlines()[-2:] == [
        f"error: guidance is 9, but {tmp_path.name.replace('_', '-')} was not trained to be told "
        "one",
        "hint: leave out --guidance",
    ]


def test_a_negative_prompt_that_does_nothing_is_refused(command, tmp_path):
    file = preset(tmp_path, tiny.flux(), 'guidance_scale: 3.5, negative_prompt: ""')
    answer = command("image", "-m", file, "--negative-prompt", "blur", "x", cwd=tmp_path, code=2)
    assert "the negative prompt does nothing: FluxPipeline needs true_cfg_scale" in answer.err


def test_the_safety_checkers_black_picture_is_told(command, tmp_path):
    file = preset(tmp_path, careful_diffusion())
    answer = command("image", "-m", file, "-o", "out", "a cat", cwd=tmp_path)
    assert told(answer) == [
        "the model's safety checker held a picture for unsafe and made it black; "
        "try another seed or prompt"
    ]
    (path,) = (tmp_path / "out").glob("*.png")
    with Image.open(path) as picture:
        assert not np.asarray(picture).any()


def test_a_vae_that_overflows_is_an_error_that_names_it(command, tmp_path):
    pipe = tiny.flux()
    pipe.vae.decoder.conv_in.weight.data *= 1e6  # which the following norm undoes in float32
    call = "guidance_scale: 1.0, max_sequence_length: 16"
    half = preset(tmp_path, pipe, call, dtype="float16")
    answer = command("image", "-m", half, "-o", "out", "a cat", cwd=tmp_path, code=1)
    assert answer.err.splitlines()[-2:] == [
        "error: core 0 on cpu: the VAE, AutoencoderKL, made nan or inf of a finite latent in "
        "float16: the result would be black",
        "hint: write `components: {vae: {dtype: float32}}` in the preset; its latent is kept: "
        f"chords image --from-latent out/0001-a-cat-s42.safetensors --model {half}",
    ]
    assert not list(tmp_path.glob("out/*.png"))
    preset(tmp_path, pipe, call, dtype="float16", more="components: {vae: {dtype: float32}}\n")
    latent = "out/0001-a-cat-s42.safetensors"
    command("image", "-m", half, "--from-latent", latent, "-o", "again", cwd=tmp_path)
    (path,) = tmp_path.glob("again/*.png")
    with Image.open(path) as picture:
        assert np.asarray(picture).any()


def careful_diffusion() -> DiffusionPipeline:
    """Stable Diffusion 1, with a checker that holds every picture for unsafe."""
    clip = clip_tokenizer()
    with seeded():
        checker = StableDiffusionSafetyChecker(
            CLIPConfig(
                vision_config={
                    "hidden_size": 8,
                    "intermediate_size": 8,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 2,
                    "image_size": 32,
                    "patch_size": 16,
                },
                projection_dim=8,
            )
        )
        checker.concept_embeds_weights.data.fill_(-2.0)
        return StableDiffusionPipeline(
            scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
            vae=image_vae(latent_channels=4, halvings=1),
            text_encoder=clip_text_model(clip),
            tokenizer=clip,
            unet=UNet2DConditionModel(
                block_out_channels=(2, 4),
                layers_per_block=1,
                sample_size=16,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                attention_head_dim=(2, 4),
                cross_attention_dim=32,
                norm_num_groups=1,
            ).eval(),
            safety_checker=checker.eval(),
            feature_extractor=CLIPImageProcessor(
                size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
            ),
        )


@pytest.mark.parametrize("name", ["image", "video", "compare"])
def test_a_dry_run_says_once_which_words_the_built_in_model_does_not_know(
    name, chords, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    answer = chords(name, "a cat on the moon", "--devices", "cpu", "--dry-run")
    assert answer.code == 0
    (line,) = (line for line in (answer.out + answer.err).splitlines() if '"moon"' in line)
    model = "demo-video" if name == "video" else "demo-image"
    words = f'{model} does not know "cat" and "moon"; it draws one or two of circle, square,'
    assert line.removeprefix("notes").strip().startswith(words)


def test_the_json_of_a_run_has_the_line_on_unknown_words(chords, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    answer = chords("image", "a cat", "--devices", "cpu", "--dry-run", "--json")
    note = answer.document["note"].splitlines()[0]
    assert note.startswith('demo-image does not know "cat"; it draws')
    known = chords("image", "A red circle.", "--devices", "cpu", "--dry-run", "--json")
    assert "does not know" not in known.document["note"]
