"""Decides which files an output becomes, by their endings, and makes their bytes.

The first ending is that of the result itself: the picture, or the video. A video has its first
frame, its recipe and, if wanted, a GIF beside it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chords_cli.engine.logs import temporary_folder
from chords_cli.media.images import png_bytes
from chords_cli.media.latents import latent_bytes
from chords_cli.media.metadata import KEY, file_texts, sidecar_bytes, video_tags
from chords_cli.media.videos import gif_bytes, mp4_bytes
from chords_cli.records.recipe import Recipe
from chords_cli.runs.settings.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from chords_cli.engine.pool import SampledOutput

LATENT = "safetensors"


def endings(settings: Settings) -> tuple[str, ...]:
    """Returns the endings of the files that an output becomes, the picture's or video's first."""
    video = settings.preset.kind == "video"
    wanted = {
        "mp4": video,
        "png": True,
        "json": video and settings.metadata,
        "gif": settings.gif,
        LATENT: settings.save_latents,
    }
    return tuple(ending for ending, is_wanted in wanted.items() if is_wanted)


def file_bytes(ending: str, output: "SampledOutput", settings: Settings, recipe: Recipe) -> bytes:
    """Returns the bytes of a decoded output's file with that ending; it carries `recipe`."""
    assert output.frames is not None, "only decoded outputs are saved"
    document = recipe.document()
    texts = file_texts(document) if settings.metadata else {}
    match ending:
        case "mp4":
            return video_bytes(output.frames, settings, video_tags(document) if texts else {})
        case "gif":
            assert settings.fps is not None, "a video preset has fps"
            return gif_bytes(output.frames, settings.fps, texts.get(KEY, ""))
        case "json":
            return sidecar_bytes(document)
        case "safetensors":
            return latent_bytes(output.latent, {KEY: texts[KEY]} if texts else {})
        case _:
            return png_bytes(output.frames[0], texts)


def video_bytes(frames: "np.ndarray", settings: Settings, tags: Mapping[str, str]) -> bytes:
    """Returns an MP4 file of `frames` (uint8, [frames, height, width, 3]) at the run's rate."""
    assert settings.fps is not None, "a video preset has fps"
    return mp4_bytes(frames, settings.fps, tags, within=temporary_folder())
