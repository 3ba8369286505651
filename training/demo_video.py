"""Make the built-in video model, in three stages, each of which resumes where it was stopped.

python -m training.demo_video autoencoder   --output FOLDER
python -m training.demo_video text-to-video --output FOLDER
python -m training.demo_video export        --output FOLDER --preset presets/demo-video
"""

import argparse
import logging

import torch
from diffusers import AutoencoderKLWan

from training.autoencoder import psnr
from training.command import Stages, run
from training.export import write_folder
from training.loop import Schedule
from training.text_to_video import averaged_model, pipeline, train_text_to_video
from training.video_autoencoder import held_out_clips, reconstruct, train_autoencoder

log = logging.getLogger("training")


def autoencoder(options: argparse.Namespace) -> None:
    schedule = Schedule(steps=options.steps or 2400, decay=options.decay)
    folder = options.output / "autoencoder"
    model = train_autoencoder(folder, schedule, device=options.device, seed=options.seed).eval()
    clips = held_out_clips(40).to(options.device)
    copies = torch.cat([reconstruct(model, part) for part in clips.split(8)])
    frames = [part.transpose(1, 2).flatten(0, 1) for part in (clips, copies)]
    log.info("held-out PSNR %.2f dB", psnr(*frames))
    model.save_pretrained(options.output / "vae")


def text_to_video(options: argparse.Namespace) -> None:
    vae = AutoencoderKLWan.from_pretrained(options.output / "vae")
    schedule = Schedule(steps=options.steps or 4000, decay=options.decay)
    train_text_to_video(
        options.output / "text-to-video",
        vae,
        schedule,
        device=options.device,
        seed=options.seed,
        compiled=options.compile,
    )


def export(options: argparse.Namespace) -> None:
    vae = AutoencoderKLWan.from_pretrained(options.output / "vae")
    model = averaged_model(options.output / "text-to-video", vae.config.z_dim)
    write_folder(pipeline(model, vae), options.preset)


STAGES: Stages = {"autoencoder": autoencoder, "text-to-video": text_to_video, "export": export}

if __name__ == "__main__":
    run(STAGES, description=__doc__, preset="presets/demo-video")
