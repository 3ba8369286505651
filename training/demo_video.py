"""Make the built-in video model, in stages, each of which resumes where it was stopped.

python -m training.demo_video autoencoder   --output FOLDER
python -m training.demo_video text-to-video --output FOLDER
python -m training.demo_video decoder       --output FOLDER
python -m training.demo_video export        --output FOLDER --preset presets/demo-video
"""

import argparse
import logging
from pathlib import Path

from diffusers import AutoencoderKLWan

from training.command import Stages, run, schedule
from training.export import write_folder
from training.loop import Schedule
from training.text_to_video import averaged_model, pipeline, train_text_to_video
from training.video_autoencoder import (
    build_autoencoder,
    held_out_psnr,
    scaled,
    train_autoencoder,
)

log = logging.getLogger("training")


def autoencoder(options: argparse.Namespace) -> None:
    plan = schedule(options, steps=2400)
    start = options.start
    model = AutoencoderKLWan.from_pretrained(start / "vae") if start else build_autoencoder()
    folder = options.output / "autoencoder"
    model = _trained(model, folder, plan, options, options.seed)
    _save(scaled(model), options.output / "vae")


def decoder(options: argparse.Namespace) -> None:
    """Go on with the decoder alone: what `text-to-video` learns from does not change."""
    plan = schedule(options, steps=1500)
    model = AutoencoderKLWan.from_pretrained(options.output / "vae")
    for part in (model.encoder, model.quant_conv):
        part.requires_grad_(False)
    folder = options.output / "decoder"
    model = _trained(model, folder, plan, options, options.seed + 1)
    _save(model, options.output / "vae-sharp")


def text_to_video(options: argparse.Namespace) -> None:
    vae = AutoencoderKLWan.from_pretrained(options.output / "vae")
    plan = schedule(options, steps=4000)
    train_text_to_video(
        options.output / "text-to-video",
        vae,
        plan,
        device=options.device,
        batch=options.batch or 48,
        seed=options.seed,
        workers=options.workers,
        compiled=options.compile,
        pairs=options.pairs,
        start=options.start,
    )


def export(options: argparse.Namespace) -> None:
    sharp = options.output / "vae-sharp"
    vae = AutoencoderKLWan.from_pretrained(sharp if sharp.exists() else options.output / "vae")
    model = averaged_model(options.output / "text-to-video", vae.config.z_dim, last=options.last)
    write_folder(pipeline(model, vae), options.preset)


def _trained(
    model: AutoencoderKLWan, folder: Path, plan: Schedule, options: argparse.Namespace, seed: int
) -> AutoencoderKLWan:
    return train_autoencoder(
        model,
        folder,
        plan,
        device=options.device,
        batch=options.batch or 16,
        seed=seed,
        workers=options.workers,
    )


def _save(model: AutoencoderKLWan, folder: Path) -> None:
    log.info("held-out PSNR %.2f dB", held_out_psnr(model.eval()))
    model.save_pretrained(folder)


STAGES: Stages = {
    "autoencoder": autoencoder,
    "text-to-video": text_to_video,
    "decoder": decoder,
    "export": export,
}

if __name__ == "__main__":
    run(
        STAGES,
        description=__doc__,
        preset="presets/demo-video",
        starts=("autoencoder", "text-to-video"),
    )
