"""Make the built-in image model, in three stages, each of which resumes where it was stopped.

python -m training.demo_image autoencoder   --output FOLDER
python -m training.demo_image text-to-image --output FOLDER
python -m training.demo_image export        --output FOLDER --preset presets/demo-image
"""

import argparse
import logging
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from training.autoencoder import held_out_images, psnr, reconstruct, train_autoencoder
from training.export import export
from training.loop import Schedule
from training.text_to_image import averaged_model, pipeline, train_text_to_image

log = logging.getLogger("training")


def main() -> None:
    options = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if options.threads:
        torch.set_num_threads(options.threads)
    stages = {"autoencoder": _autoencoder, "text-to-image": _text_to_image, "export": _export}
    stages[options.stage](options)


def _autoencoder(options: argparse.Namespace) -> None:
    schedule = Schedule(steps=options.steps or 3000, decay=options.decay)
    folder = options.output / "autoencoder"
    model = train_autoencoder(folder, schedule, device=options.device, seed=options.seed).eval()
    images = held_out_images(200).to(options.device)
    copies = torch.cat([reconstruct(model, part) for part in images.split(20)])
    log.info("held-out PSNR %.2f dB", psnr(images, copies))
    model.save_pretrained(options.output / "vae")


def _text_to_image(options: argparse.Namespace) -> None:
    vae = AutoencoderKL.from_pretrained(options.output / "vae")
    schedule = Schedule(steps=options.steps or 8000, decay=options.decay)
    folder = options.output / "text-to-image"
    train_text_to_image(
        folder,
        vae,
        schedule,
        device=options.device,
        seed=options.seed,
        compiled=options.compile,
    )


def _export(options: argparse.Namespace) -> None:
    vae = AutoencoderKL.from_pretrained(options.output / "vae")
    model = averaged_model(options.output / "text-to-image", vae.config.latent_channels)
    export(pipeline(model, vae), options.preset)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["autoencoder", "text-to-image", "export"])
    parser.add_argument(
        "--output", type=Path, required=True, help="where checkpoints and samples go"
    )
    parser.add_argument("--preset", type=Path, default=Path("presets/demo-image"))
    parser.add_argument("--steps", type=int, help="the step to end at")
    parser.add_argument("--decay", type=int, default=500, help="last steps, of falling rate")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler on a CPU")
    parser.add_argument("--threads", type=int, help="CPU threads to use")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
