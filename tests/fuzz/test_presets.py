"""Preset files, whatever is in them."""

import json
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chords_cli.presets.files import available_presets
from tests.fuzz.line import examples
from tests.fuzz.values import damaged, mutated, texts, values

SHIPPED = {preset.name: preset.file for preset in available_presets()}
DOCUMENTS = {name: yaml.safe_load(file.read_text()) for name, file in SHIPPED.items()}
SMALL = ("demo-image", "demo-video", "flux", "wan2-2-5b", "sdxl-ip-adapter", "flux-kontext")


def ask(line, data: bytes | str) -> None:
    """Shows the preset, and says what a run of it would do."""
    file = line.folder / "mine.yaml"
    file.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    shown = line("presets", "mine.yaml")
    if shown.code == 0:
        kind = "video" if "\nkind: video" in shown.out else "image"
        line(kind, "a fox", "--model", "mine.yaml", "--devices", "cpu", "--dry-run")
        line("plan", "--model", "mine.yaml")


@examples(8)
@given(data=st.data())
def test_a_preset_with_other_values_is_used_or_refused(line, data):
    document = data.draw(mutated(DOCUMENTS[data.draw(st.sampled_from(SMALL))]))
    ask(line, yaml.safe_dump(document, allow_unicode=True, sort_keys=False))


@examples(5)
@given(data=st.data())
def test_a_preset_of_damaged_bytes_is_used_or_refused(line, data):
    ask(line, data.draw(damaged(SHIPPED[data.draw(st.sampled_from(SMALL))].read_bytes())))


YAML = st.text(alphabet=st.sampled_from("abc:-?*&!|>%@`'\"{}[],# \n\t0159.~<=\\\0\x85\u2028é"))


@examples(5)
@given(text=st.one_of(YAML, texts, values.map(json.dumps)))
def test_any_text_is_used_or_refused(line, text):
    ask(line, text)


PAIRS = [*pairwise("abcdefghi")]
START = """name: x
title: X
kind: image
path: x
pipeline: FluxPipeline
call: &a {num_inference_steps: 2}
"""

BOMBS = {
    "aliases of aliases": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in PAIRS),
    "merged aliases": "a: &a {x: 1}\n"
    + "".join(f"{new}: &{new} {{<<: [*{old}, *{old}]}}\n" for old, new in PAIRS),
    "an alias of itself": "a: &a [*a]\n",
    "a mapping in itself": "&a {a: *a}\n",
    "a call in itself": START.replace("2}", "2, b: *a}"),
    "a list in itself": f"{START}prompts: &b [*b]\n",
    "deep lists": "[" * 1200,
    "deep mappings": "{a: " * 1200,
    "deep blocks": "".join(f"{' ' * n}a:\n" for n in range(600)),
    "deep dashes": "- " * 1200,
    "many anchors": "".join(f"- &a{n} x\n" for n in range(2000)),
    "a long number": f"seed: {'9' * 100_000}\n",
    "a long number of base 60": f"seed: {':'.join(['59'] * 50_000)}\n",
    "a long hexadecimal number": f"seed: 0x{'f' * 100_000}\n",
    "a long float": f"seed: 1e{'9' * 100_000}\n",
    "a wrong date": "seed: 2001-99-99\n",
    "a date": "seed: 2001-12-14t21:59:43.10-05:00\n",
    "binary": "seed: !!binary aGVsbG8=\n",
    "wrong binary": "seed: !!binary a\n",
    "a set": "seed: !!set {a, b}\n",
    "pairs": "seed: !!omap [a: 1]\n",
    "Python": "seed: !!python/object/apply:os.system [echo]\n",
    "a tag": "seed: !<tag:x> 1\n",
    "a directive": "%YAML 9.9\n---\nseed: 1\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "a key that is a list": "? [a, b]\n: 1\n",
    "a key that is a mapping": "? {a: b}\n: 1\n",
    "a long key": f"? {'a' * 100_000}\n: 1\n",
    "many keys": "".join(f"a{n}: 1\n" for n in range(2000)),
    "many equal keys": "a: 1\n" * 2000,
    "many prompts": f"{START}prompts:\n" + "- a\n" * 2000,
    "as long as allowed": f"a: {'x' * 999_000}",
    "longer than allowed": "# " + "x" * 1_000_000,
    "a null byte": "a: \0\n",
    "UTF-16": "a: 1\n".encode("utf-16"),
    "a surrogate": 'title: "\\ud800"\n',
    "no UTF-8": b"a: \xff\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused(line, bomb):
    ask(line, BOMBS[bomb])
