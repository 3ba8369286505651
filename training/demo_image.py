"""Make the built-in image model, in three stages, each of which resumes where it was stopped.

python -m training.demo_image autoencoder   --output FOLDER
python -m training.demo_image text-to-image --output FOLDER
python -m training.demo_image export        --output FOLDER --preset presets/demo-image
"""

import argparse
import logging

import torch
from diffusers import AutoencoderKL

from training.autoencoder import held_out_images, psnr, reconstruct, train_autoencoder
from training.command import Stages, run, schedule
from training.export import write_folder
from training.text_to_image import averaged_model, pipeline, train_text_to_image

log = logging.getLogger("training")


def autoencoder(options: argparse.Namespace) -> None:
    model = train_autoencoder(
        options.output / "autoencoder",
        schedule(options, steps=3000),
        device=options.device,
        batch=options.batch or 32,
        seed=options.seed,
        workers=options.workers,
    ).eval()
    images = held_out_images(200).to(options.device)
    copies = torch.cat([reconstruct(model, part) for part in images.split(20)])
    log.info("held-out PSNR %.2f dB", psnr(images, copies))
    model.save_pretrained(options.output / "vae")


def text_to_image(options: argparse.Namespace) -> None:
    vae = AutoencoderKL.from_pretrained(options.output / "vae")
    train_text_to_image(
        options.output / "text-to-image",
        vae,
        schedule(options, steps=8000),
        device=options.device,
        batch=options.batch or 64,
        seed=options.seed,
        workers=options.workers,
        compiled=options.compile,
    )


def export(options: argparse.Namespace) -> None:
    vae = AutoencoderKL.from_pretrained(options.output / "vae")
    model = averaged_model(options.output / "text-to-image", vae.config.latent_channels)
    write_folder(pipeline(model, vae), options.preset)


STAGES: Stages = {"autoencoder": autoencoder, "text-to-image": text_to_image, "export": export}

if __name__ == "__main__":
    run(STAGES, description=__doc__, preset="presets/demo-image")
