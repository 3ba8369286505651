"""A pipeline of each kind that starts from files, by the command: core 0 is stock diffusers."""

import diffusers
import pytest
import torch
import yaml
from safetensors.torch import load_file

from chords_cli.pipelines.conditions.pictures import opened
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from tests.doubles import files, pictures, zoo_pictures

KINDS = {
    "wan-flf2v": {"image": ("first.png",), "last_image": "last.png"},
    "wan-v2v": {"video": "walk.mp4", "strength": 0.6},
    "flux-control": {"control": "first.png"},
    "flux-fill": {"image": ("first.png",), "mask": "mask.png"},
    "flux-kontext": {"image": ("first.png",)},
    "flux2-images": {"image": ("large.png", "wide.png")},
    "sdxl-controlnet": {"control": "large.png"},
    "wan-vace": {"video": "walk.mp4", "mask": "mask.png", "image": ("first.png",)},
    "sdxl-img2img": {"image": ("large.png",), "strength": 0.6},
}
"""What each is given, by the names of options."""

RULES = {
    "flux2-images": {"image": {"several": True}},
    "sdxl-controlnet": {"control": {"argument": "image"}},
    "wan-vace": {"image": {"several": True}},
}
"""What names do not tell of their files."""

EVERY_DAY = ("flux-kontext", "sdxl-img2img", "wan-vace")
"""A picture that is edited, one with a strength, and several beside a video."""

STEPS = 5


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    pictures.picture(16).save(folder / "first.png")
    pictures.picture(16, seed=7).save(folder / "last.png")
    pictures.picture(64).save(folder / "large.png")
    pictures.picture(64, 80, seed=5).save(folder / "wide.png")
    pictures.mask(16).save(folder / "mask.png")
    (folder / "walk.mp4").write_bytes(files.video(9, 16, 16, 6))
    return folder


def write_preset(place, kind):
    """A preset of the tiny pipeline of that kind, whose call names no file."""
    pipe = zoo_pictures.BUILDERS[kind]()
    pipe.save_pretrained(place / kind)
    call = zoo_pictures.CALLS[kind]
    named = {"mask", "mask_image", *zoo_pictures.PICTURES}
    plain = {key: value for key, value in call.items() if key not in named}
    video = kind.startswith("wan")
    preset = {
        "name": kind,
        "title": kind,
        "kind": "video" if video else "image",
        **({"fps": 6} if video else {}),
        "path": kind,
        "pipeline": type(pipe).__name__,
        "dtype": "float32",
        "call": plain | {"num_inference_steps": STEPS},
        "limits": {"size_multiple": 8, "frames": {"multiple": 4, "offset": 1}},
        "inputs": RULES.get(kind, {}),
    }
    (place / f"{kind}.yaml").write_text(yaml.dump(preset, sort_keys=False))
    return preset


def typed(given):
    """The options as they are typed; a strength follows its file."""
    words = []
    for name, value in given.items():
        for one in value if isinstance(value, tuple) else (value,):
            words += [f"{one}"] if name == "strength" else [f"--{name.replace('_', '-')}", one]
    return words


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=() if k in EVERY_DAY else pytest.mark.slow) for k in KINDS]
)
def test_core_0_is_what_stock_diffusers_makes_of_the_same_files(kind, command, place, monkeypatch):
    preset, given = write_preset(place, kind), KINDS[kind]
    model = ("--model", f"{kind}.yaml", "--devices", "cpu", "--output", f"made-{kind}", "-q")
    exact = ("--cores", 2, "--algo", "chords", "--stop-index", 2, "--save-latents")
    command(preset["kind"], *typed(given), "a cat", *model, *exact, cwd=place)
    (latent,) = (place / f"made-{kind}").glob("*.safetensors")
    monkeypatch.chdir(place)
    request = Request(kind=preset["kind"], model=f"{kind}.yaml", prompts=("a cat",), **given)
    settings = resolve(request)
    pipe = getattr(diffusers, preset["pipeline"]).from_pretrained(place / kind)
    pipe.set_progress_bar_config(disable=True)
    call = opened(settings.arguments) | {"prompt": "a cat"}
    noise = torch.Generator("cpu").manual_seed(settings.seed)
    expected = pipe(**call, generator=noise, output_type="latent", return_dict=False)[0]
    assert torch.equal(load_file(latent)["latent"], expected)
    assert settings.plan.steps == (3 if "strength" in given else STEPS)
