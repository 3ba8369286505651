"""The demo video model's transformer and text encoder, trained together by flow matching.

First on single frames, which are cheap and teach shapes, colours and grounds; then on clips, which
add motion.
"""

import random
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

from training.clips import CLIP_FRAMES, Clip, describe, draw, frame_times, sample_clip, vocabulary
from training.flow import SHIFT, flow_loss, optimizers
from training.loop import Every, Loop, Losses, Schedule, averaged_weights
from training.pictures import save_grid
from training.pool import LatentPool
from training.tokenizers import t5_tokenizer
from training.video_sampling import TEXT_LENGTH, sample_clips

STILL_STEPS = 800
STILL_BATCH = 128
CLIP_BATCH = 48
_WIDTH, _HEADS, _LAYERS = 160, 5, 7


class TextToVideo(nn.Module):
    """Everything that this stage trains, with the tokenizer that belongs to it."""

    def __init__(self, latent_channels: int) -> None:
        super().__init__()
        self.tokenizer: T5Tokenizer = t5_tokenizer(vocabulary(), TEXT_LENGTH)
        self.text_encoder = _text_encoder(self.tokenizer)
        self.transformer = _transformer(latent_channels, self.text_encoder)

    def forward(self, latents: Tensor, sigmas: Tensor, captions: list[str]) -> Tensor:
        """The drift at latents (B, C, F, H, W) and sigmas (B,), as `WanPipeline` does."""
        return self.transformer(
            hidden_states=latents,
            timestep=sigmas * 1000.0,
            encoder_hidden_states=self.encode(captions, latents.device),
            return_dict=False,
        )[0]

    def load(self, folder: Path) -> None:
        """Take the weights of a diffusers folder of this architecture."""
        encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder")
        self.text_encoder.load_state_dict(encoder.state_dict())
        transformer = WanTransformer3DModel.from_pretrained(folder / "transformer")
        self.transformer.load_state_dict(transformer.state_dict())

    def encode(self, captions: list[str], device: torch.device) -> Tensor:
        """The states of all tokens, zero where a sentence has ended."""
        words = self.tokenizer(
            captions,
            padding="max_length",
            max_length=TEXT_LENGTH,
            truncation=True,
            return_tensors="pt",
        ).to(device)
        states = self.text_encoder(words.input_ids, words.attention_mask)[0]
        return states * words.attention_mask[..., None]


def train_text_to_video(
    folder: Path,
    vae: AutoencoderKLWan,
    schedule: Schedule,
    *,
    device: str,
    seed: int = 0,
    compiled: bool = False,
    pool: int = 4096,
    pairs: float = 0.3,
    start: Path | None = None,
) -> TextToVideo:
    """Train, or go on training, and return the averaged model.

    Args:
        folder: of checkpoints and samples.
        vae: whose latents are learned.
        schedule: where to end.
        device: to train on.
        seed: of everything that is drawn.
        compiled: whether to compile the transformer.
        pool: clips that are drawn at a time; single frames are twice as many.
        pairs: the part of clips with two shapes.
        start: a diffusers folder whose weights to begin with; it has learnt from single frames.

    Attention runs as plain matrix products: on a CPU its fused backward pass is slow.
    """
    torch.manual_seed(seed)
    vae = vae.eval().to(device)
    model = TextToVideo(vae.config.z_dim).to(device)
    if start:
        model.load(start)
    # The residual stream stays in fp32 under autocast, as it is when the model is used.
    model.transformer.patch_embedding.register_forward_hook(lambda _, __, output: output.float())
    loop = Loop(model, optimizers(model), folder, ema=0.999)
    model.transformer.compile(disable=not compiled)
    stills_first = 0 if start else STILL_STEPS
    stills, clips = _still_pool(vae, 2 * pool, seed), _clip_pool(vae, pool, pairs, seed)

    def losses_at(step: int) -> Losses:
        rng = random.Random(f"{seed} step {step}")
        still = step < stills_first or step % 8 == 0
        source, batch = (stills, STILL_BATCH) if still else (clips, CLIP_BATCH)
        latents, captions = source.batch(step, batch, rng)
        generator = torch.Generator(device).manual_seed(rng.getrandbits(62))
        with torch.autocast(latents.device.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            return {"still" if still else "flow": flow_loss(model, latents, captions, generator)}

    def sample(step: int) -> None:
        frames = 1 if step <= stills_first else CLIP_FRAMES
        images = sample_clips(pipeline(loop.averaged, vae), frames=frames)
        save_grid(images, folder / f"step-{step:06d}.png", columns=max(frames, 6))

    loop.run(losses_at, schedule, every=Every(save=200, sample=400), sample=sample)
    return loop.averaged


def averaged_model(folder: Path, latent_channels: int, *, last: bool = False) -> TextToVideo:
    """The averaged weights of the checkpoint in `folder`, or the last ones."""
    model = TextToVideo(latent_channels)
    model.load_state_dict(averaged_weights(folder, last=last))
    return model.eval()


@torch.no_grad()
def encode_clips(
    vae: AutoencoderKLWan, clips: list[Clip], times: list[list[float]] | None = None
) -> Tensor:
    """Scaled latents of painted clips, shape (B, C, F, H, W)."""
    mean, std = (
        torch.tensor(values, device=vae.device)[:, None, None, None]
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    latents = vae.encode(draw(clips, times).to(vae.device)).latent_dist.mode()
    return (latents - mean) / std


def scheduler() -> UniPCMultistepScheduler:
    """The scheduler as Wan2.1's repositories have it, at their shift for small clips."""
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT
    )


def pipeline(model: TextToVideo, vae: AutoencoderKLWan) -> WanPipeline:
    """The stock pipeline around the trained parts."""
    pipe = WanPipeline(
        tokenizer=model.tokenizer,
        text_encoder=model.text_encoder.eval(),
        transformer=model.transformer.eval(),
        vae=vae,
        scheduler=scheduler(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _still_pool(vae: AutoencoderKLWan, size: int, seed: int) -> LatentPool[tuple[Clip, float]]:
    times = frame_times()
    return LatentPool(
        lambda rng: (sample_clip(rng), rng.choice(times)),
        lambda items: encode_clips(vae, [clip for clip, _ in items], [[time] for _, time in items]),
        lambda item, rng: describe(item[0], rng, moving=False),
        size=size,
        era=2000,
        seed=f"{seed} stills",
    )


def _clip_pool(vae: AutoencoderKLWan, size: int, pairs: float, seed: int) -> LatentPool[Clip]:
    return LatentPool(
        lambda rng: sample_clip(rng, pairs=pairs),
        lambda clips: encode_clips(vae, clips),
        describe,
        size=size,
        era=2000,
        seed=f"{seed} clips",
    )


def _transformer(latent_channels: int, text_encoder: UMT5EncoderModel) -> WanTransformer3DModel:
    """One token for each 16x16 pixels of four frames; blocks begin as the identity."""
    model = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=_HEADS,
        attention_head_dim=_WIDTH // _HEADS,
        in_channels=latent_channels,
        out_channels=latent_channels,
        text_dim=text_encoder.config.d_model,
        freq_dim=128,
        ffn_dim=3 * _WIDTH,
        num_layers=_LAYERS,
        rope_max_seq_len=64,
    )
    modulation = model.condition_embedder.time_proj
    tables = [block.scale_shift_table for block in model.blocks]
    for parameter in (modulation.weight, modulation.bias, *tables, *model.proj_out.parameters()):
        nn.init.zeros_(parameter)
    return model


def _text_encoder(tokenizer: T5Tokenizer) -> UMT5EncoderModel:
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(tokenizer),
            d_model=96,
            d_kv=24,
            d_ff=192,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=24,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
        )
    )
