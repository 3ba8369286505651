"""Tokenizers for the scene grammar: one word, one token, in both of FLUX's tokenizers.

Words from outside the grammar become `<unk>` for T5 and are spelled letter by letter for CLIP,
whose byte alphabet has no unknown symbol and so can never end a sentence early.
"""

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer, T5Tokenizer

from training.scenes import vocabulary

CLIP_LENGTH = 77
T5_LENGTH = 24
_END = "</w>"


def t5_tokenizer(words: list[str], length: int) -> T5Tokenizer:
    """A unigram model whose pieces are whole words: small, Capitalised and in CAPITALS.

    Args:
        words: the grammar's vocabulary.
        length: tokens that a sentence may have.
    """
    spellings = dict.fromkeys(
        [*words, *(word.capitalize() for word in words), *(word.upper() for word in words)]
    )
    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", -20.0),
        *((f"▁{word}", -2.0) for word in spellings),
    ]
    pieces += [(",", -4.0), (".", -4.0)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=length)


def clip_tokenizer() -> CLIPTokenizer:
    """A byte-pair encoding whose merges spell out the grammar's words."""
    alphabet = sorted(ByteLevel.alphabet())
    vocab = {
        symbol: index
        for index, symbol in enumerate([*alphabet, *(letter + _END for letter in alphabet)])
    }
    merges: list[tuple[str, str]] = []
    for word in vocabulary():
        for pair in _merges(word):
            if pair not in merges:
                merges.append(pair)
                vocab.setdefault("".join(pair), len(vocab))
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocab[special] = len(vocab)
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=CLIP_LENGTH)


def _merges(word: str) -> list[tuple[str, str]]:
    """The pairs that build a word from its end, so that no word's pairs disturb another's."""
    tail = word[-1] + _END
    pairs = []
    for letter in reversed(word[:-1]):
        pairs.append((letter, tail))
        tail = letter + tail
    return pairs
