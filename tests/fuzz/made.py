"""Files as a run makes them, of models that were never loaded."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from chords_cli.engine.messages import Latent
from chords_cli.media.images import png_bytes
from chords_cli.media.latents import latent_bytes
from chords_cli.media.metadata import KEY, file_texts, video_tags
from chords_cli.media.videos import gif_bytes, mp4_bytes
from chords_cli.records.recipe import Document, Output
from chords_cli.records.run import OutputRecord, SampleRecord
from chords_cli.runs.generate.record import run_record
from chords_cli.runs.outputs.recipe import make_recipe
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.settings import Settings

PICTURE = np.zeros((1, 16, 16, 3), np.uint8)
CLIP = np.zeros((5, 16, 16, 3), np.uint8)
OUTPUT = Output(index=1, core=0, round=8, residual=None, width=16, height=16, frames=1)


def settings_of(kind: str = "image", **said: object) -> Settings:
    """The settings of two samples of the built-in model."""
    options = {"prompts": ("a fox", "a cat"), "devices": "cpu", "cores": 2, "steps": 8} | said
    return resolve(Request(kind=kind, output=Path("out"), **options))


def recipe(kind: str = "image", **said: object) -> Document:
    """The recipe of the first sample."""
    settings = settings_of(kind, **said)
    return make_recipe(settings, settings.samples[0], OUTPUT).document()


def record(kind: str = "image", **said: object) -> Document:
    """The record of a run whose first sample is done."""
    settings = settings_of(kind, **said)
    sample = settings.samples[0]
    name = sample.name("png")
    outputs = (OutputRecord(**dict(OUTPUT), seconds=1.0, path=name),)
    done = SampleRecord(
        prompt=sample.prompt, seed=sample.seed, output=name, rounds=8, outputs=outputs
    )
    return json.loads(json.dumps(run_record(settings, [done]).document()))


def older(document: Document) -> Document:
    """The same as the first schema has it."""
    copy = document | {"schema": 1}
    if "planned_rounds" in copy:
        copy["rounds"] = copy.pop("planned_rounds")
    return copy


def picture(document: Document) -> bytes:
    return png_bytes(PICTURE[0], file_texts(document))


def bare_picture(**texts: str) -> bytes:
    return png_bytes(PICTURE[0], texts)


def clip(document: Document) -> bytes:
    return mp4_bytes(CLIP, 8, video_tags(document))


def clip_with(**texts: str) -> bytes:
    return mp4_bytes(CLIP, 8, texts)


def gif(text: str) -> bytes:
    return gif_bytes(CLIP, 8, text)


def latent(document: Document | None) -> bytes:
    tags = {KEY: json.dumps(document)} if document is not None else {}
    return latent_bytes(Latent("float32", (1, 4), b"\0" * 16), tags)


def encoded(format: str, **said: object) -> bytes:
    """A picture of another format."""
    file = io.BytesIO()
    Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(file, format, **said)
    return file.getvalue()
