"""What tiny pipelines are made of: real tokenizers and text encoders, trained or seeded here."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import AutoencoderKL
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    LlamaConfig,
    LlamaModel,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

CHAT = """{% for message in messages %}<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for piece in message.content %}\
{{ piece.text }}{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""A chat template for contents that are text or lists of pieces."""

_DECODER: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
_QWEN = _DECODER | {
    "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6}
}
_IMAGE_MARKS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}

TOWER: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
"""A tower that looks at pictures: four tokens of 32 x 32 pixels."""

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,'-"
WORDS = ("a", "an", "the", "of", "in", "on", "with", "photo", "cat", "dog", "riding", "horse")


@contextmanager
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def remade(part: Any, cls: type[torch.nn.Module] | None = None, **changes: Any) -> torch.nn.Module:
    """A fresh model with another one's configuration, but for `changes`."""
    config = {key: value for key, value in part.config.items() if not key.startswith("_")}
    with seeded():
        return (cls or type(part))(**config | changes).eval()


def woken(part: torch.nn.Module) -> torch.nn.Module:
    """A control network: it begins as zeros, of which nothing would come."""
    with seeded():
        for weight in part.parameters():
            if not weight.any():
                torch.nn.init.normal_(weight, std=0.1)
    return part.eval()


def clip_tokenizer() -> CLIPTokenizer:
    pieces = [piece for letter in LETTERS for piece in (letter, f"{letter}</w>")]
    vocabulary = [*pieces, "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(vocabulary)},
        merges=[],
        model_max_length=77,
    )


def t5_tokenizer() -> T5Tokenizer:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("\u2581", -3.0)]
    pieces += [(f"\u2581{word}", -2.0) for word in WORDS] + [(c, -6.0) for c in LETTERS]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=226)


def llama_tokenizer(template: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE trained on the prompt template, which must stay below its 95-token crop."""
    specials = ["<unk>", "<pad>", "<|begin_of_text|>", "<|end_of_text|>"]
    specials += ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer = _byte_level_bpe([template] * 3 + [" ".join(WORDS)], specials, size=900)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        bos_token="<|begin_of_text|>",
        eos_token="<|end_of_text|>",
        model_max_length=1024,
        padding_side="right",
    )


def qwen_tokenizer(*, sees: bool = False) -> Qwen2Tokenizer:
    """Few merges, so that no prompt is shorter than the tokens that pipelines crop before it."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    named = {"image_token": _IMAGE_MARKS["image_token_id"]} if sees else {}
    specials += _IMAGE_MARKS.values() if sees else ()
    model = json.loads(_byte_level_bpe([" ".join(WORDS)], specials, size=300).to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        extra_special_tokens=specials[1:],
        **named,
    )
    tokenizer.chat_template = CHAT
    return tokenizer


def gemma_tokenizer() -> GemmaTokenizer:
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "\u2581", *LETTERS]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return GemmaTokenizer(vocab=vocabulary, merges=[], model_max_length=300)


def _byte_level_bpe(texts: list[str], specials: list[str], *, size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=specials,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def clip_text_model(
    tokenizer: CLIPTokenizer, width: int = 32, projection: int | None = None
) -> torch.nn.Module:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=projection or width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def clip_vision_model() -> torch.nn.Module:
    with seeded():
        return CLIPVisionModel(CLIPVisionConfig(**TOWER)).eval()


def clip_image_processor() -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def t5_encoder(
    tokenizer: T5Tokenizer, width: int = 32, multilingual: bool = False
) -> torch.nn.Module:
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "d_model": width,
        "d_kv": 8,
        "d_ff": 37,
        "num_layers": 2,
        "num_heads": 4,
        "dropout_rate": 0.0,
        "relative_attention_num_buckets": 8,
        "feed_forward_proj": "gated-gelu",
    }
    if multilingual:
        return UMT5EncoderModel(UMT5Config(**sizes)).eval()
    return T5EncoderModel(T5Config(**sizes)).eval()


def llama_model(tokenizer: PreTrainedTokenizerFast) -> torch.nn.Module:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=3,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        max_position_embeddings=1024,
    )
    return LlamaModel(config).eval()


def qwen_vision_model(tokenizer: Qwen2Tokenizer) -> torch.nn.Module:
    """Qwen2.5-VL whole, image tower included."""
    words, further = tokenizer.get_vocab(), len(tokenizer)
    marks = {
        name: words.get(mark, further + number)
        for number, (name, mark) in enumerate(_IMAGE_MARKS.items())
    }
    config = Qwen2_5_VLConfig(
        text_config=_QWEN | {"vocab_size": len(tokenizer) + len(marks)},
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
        },
        **marks,
    )
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def qwen_text_model(tokenizer: Qwen2Tokenizer) -> torch.nn.Module:
    """The text half of Qwen2.5-VL, of which pipelines skip the last two layers."""
    sizes = _QWEN | {"vocab_size": len(tokenizer), "num_hidden_layers": 3}
    return Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**sizes)).eval()


def qwen3_model(tokenizer: Qwen2Tokenizer) -> torch.nn.Module:
    config = Qwen3Config(vocab_size=len(tokenizer), **_DECODER, head_dim=8)
    return Qwen3ForCausalLM(config).eval()


def gemma_model(tokenizer: GemmaTokenizer) -> torch.nn.Module:
    config = Gemma2Config(vocab_size=len(tokenizer), **_DECODER | {"hidden_size": 8}, head_dim=8)
    return Gemma2Model(config).eval()


def mistral_model(tokenizer: Qwen2Tokenizer) -> torch.nn.Module:
    """Mistral 3 whole, image tower included."""
    config = Mistral3Config(
        text_config={"model_type": "mistral", "vocab_size": len(tokenizer), "head_dim": 8}
        | _DECODER,
        vision_config={
            "model_type": "pixtral",
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        },
    )
    return Mistral3ForConditionalGeneration(config).eval()


def image_vae(latent_channels: int, halvings: int = 0) -> torch.nn.Module:
    return AutoencoderKL(
        sample_size=32,
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * (halvings + 1),
        up_block_types=("UpDecoderBlock2D",) * (halvings + 1),
        block_out_channels=(4,) * (halvings + 1),
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0609,
        scaling_factor=1.5035,
    ).eval()
