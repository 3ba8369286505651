"""The prompt is encoded by core 0, crosses to every other core once, and is replayed after that."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from chords_cli.pipelines.conditions.encoding import SharedEncoding
from chords_cli.pipelines.conditions.parcel import pack
from chords_cli.pipelines.load.offload import Encoders
from chords_cli.pipelines.load.spec import ModelSpec

HOST = torch.device("cpu")


class Pipe:
    """As much of a pipeline as an encoding sees."""

    _execution_device = HOST
    components: ClassVar[dict[str, Any]] = {}

    def __init__(self, encode: Callable[[str], Any]) -> None:
        self._encode_with = encode

    def encode_prompt(self, prompt: str) -> Any:
        return self._encode_with(prompt)


class Wire:
    """What core 0 shares and the others receive, counted."""

    def __init__(self, incoming: list[Any] | None = None) -> None:
        self.incoming, self.sent, self.uses = incoming or [], [], 0

    def __call__(self, value: Any) -> Any:
        self.uses += 1
        if value is None:
            return self.incoming.pop(0)
        self.sent.append(value)
        return value


def parcel(value: Any) -> tuple[str, bytes]:
    """What core 0 sends of an encoded prompt."""
    return "encode_prompt", pack(value, HOST)


def encoding(core: int, wire: Wire) -> tuple[SharedEncoding, Pipe, list[str]]:
    """A core's encoding, its pipeline, and the prompts that its own encoder is asked for."""
    asked: list[str] = []

    def encode(prompt: str) -> tuple[torch.Tensor, None]:
        asked.append(prompt)
        return torch.full((1, 2), float(len(prompt))), None

    pipe = Pipe(encode)
    encoders = Encoders(pipe, ModelSpec(folder="", pipeline="", dtype="float32"), HOST)
    return SharedEncoding(pipe, core, wire, encoders), pipe, asked


def test_core_zero_encodes_and_shares_every_call_of_a_prompt_once() -> None:
    wire = Wire()
    shared, pipe, asked = encoding(0, wire)
    for _ in range(3):  # two samples and a decode of the same prompt
        shared.begin({"prompt": "a cat"})
        positive, negative = pipe.encode_prompt("a cat"), pipe.encode_prompt("")
    assert asked == ["a cat", ""]
    assert wire.uses == 2
    assert float(positive[0][0, 0]) == 5.0
    assert float(negative[0][0, 0]) == 0.0


def test_other_cores_receive_in_order_and_never_encode() -> None:
    wire = Wire([parcel((torch.ones(1, 2), None)), parcel((torch.zeros(1, 2), None))])
    shared, pipe, asked = encoding(2, wire)
    for _ in range(2):
        shared.begin({"prompt": "a cat"})
        assert torch.equal(pipe.encode_prompt("a cat")[0], torch.ones(1, 2))
        assert torch.equal(pipe.encode_prompt("")[0], torch.zeros(1, 2))
    assert asked == []
    assert wire.uses == 2


def test_another_prompt_is_encoded_anew() -> None:
    wire = Wire()
    shared, pipe, asked = encoding(0, wire)
    for prompt in ("a cat", "a horse", "a horse"):
        shared.begin({"prompt": prompt})
        pipe.encode_prompt(prompt)
    assert asked == ["a cat", "a horse"]
