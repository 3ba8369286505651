"""Scenes of one or two flat shapes, and the sentences that people could describe them with.

The grammar and the pictures come from one random generator, so a data set is a seed. Some scenes
are never shown in training: `is_held_out` says which, by a checksum of what is in them.
"""

import random
import zlib
from dataclasses import dataclass

from torch import Tensor

from training.shapes import COLOURS, SHAPES, Blob, Layout, paint

Point = tuple[float, float]

RADII = {"small": (0.22, 0.28), None: (0.36, 0.48), "large": (0.58, 0.70)}
PAIR_RADII = {"small": (0.19, 0.23), None: (0.28, 0.34), "large": (0.39, 0.45)}
PLACES: dict[str, Point] = {
    "left": (-0.5, 0.0),
    "right": (0.5, 0.0),
    "top": (0.0, 0.5),
    "bottom": (0.0, -0.5),
    "centre": (0.0, 0.0),
    "top left": (-0.5, 0.5),
    "top right": (0.5, 0.5),
    "bottom left": (-0.5, -0.5),
    "bottom right": (0.5, -0.5),
}
RELATIONS: dict[str, Point] = {
    "left of": (-0.47, 0.0),
    "right of": (0.47, 0.0),
    "above": (0.0, 0.47),
    "below": (0.0, -0.47),
}
SIZE_WORDS = {
    "small": ("small", "small", "little", "tiny"),
    "large": ("large", "large", "big", "huge"),
}
PREFIXES = (
    "a picture of",
    "an image of",
    "a drawing of",
    "draw",
    "a photo of",
    "show",
    "there is",
    "painting of",
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn, and what may be said of it: `None` is something that no sentence names.

    `sizes` and `place` are words; `relation` puts the first shape against the second. "and" says
    only that there are two, and draws them in reading order.
    """

    background: str
    blobs: tuple[Blob, ...]
    sizes: tuple[str | None, ...]
    place: str | None = None
    relation: str | None = None

    def key(self) -> str:
        """The combination that `is_held_out` decides on."""
        things = " ".join(f"{blob.colour} {blob.shape}" for blob in self.blobs)
        return f"{things} on {self.background}"


def is_held_out(scene: Scene) -> bool:
    """Whether this combination of colours, shapes and ground is kept from training (one tenth)."""
    return zlib.crc32(scene.key().encode()) % 10 == 0


def sample_scene(rng: random.Random, *, held_out: bool = False, pairs: float = 0.5) -> Scene:
    """Draw a scene from one side of the split; it has two shapes with probability `pairs`."""
    while True:
        scene = _sample_pair(rng) if rng.random() < pairs else _sample_single(rng)
        if is_held_out(scene) == held_out:
            return scene


def describe(scene: Scene, rng: random.Random) -> str:
    """Say the scene in one of many ways, at times less a detail or with a word nobody knows."""
    subject = _pair_words(scene, rng) if len(scene.blobs) == 2 else _single_words(scene, rng)
    if rng.random() < 0.15:
        subject = f"{rng.choice(PREFIXES)} {subject}"
    if rng.random() < 0.08:
        sentence = subject
    elif rng.random() < 0.15:
        sentence = f"{background_words(scene.background, rng)}{rng.choice((', ', ' '))}{subject}"
    else:
        sentence = (
            f"{subject}{rng.choice((', ', ' ', ' ', ' '))}{background_words(scene.background, rng)}"
        )
    return as_typed(sentence, rng)


def plain_sentence(scene: Scene) -> str:
    """Say the scene in the plainest full sentence, as the evaluation does."""
    words = [_noun(blob, size) for blob, size in zip(scene.blobs, scene.sizes, strict=True)]
    link = f" {scene.relation} " if scene.relation else ""
    place = f" {_place_words(scene.place, 'at the {}')}" if scene.place else ""
    colour = scene.background
    return f"{link.join(words)}{place} on {article(colour)} {colour} background"


def layout(scenes: list[Scene]) -> Layout:
    """What to paint for each scene."""
    layers = [
        [scene.blobs[layer] if layer < len(scene.blobs) else None for scene in scenes]
        for layer in (0, 1)
    ]
    return Layout.of([scene.background for scene in scenes], layers)


def draw(scenes: list[Scene]) -> Tensor:
    """Paint scenes (see `shapes.paint`)."""
    return paint(layout(scenes))


def vocabulary() -> list[str]:
    """Every word that the grammar can say, sorted."""
    phrases = [
        *SHAPES,
        *COLOURS,
        *PLACES,
        *RELATIONS,
        *PREFIXES,
        *(w for ws in SIZE_WORDS.values() for w in ws),
    ]
    phrases += [
        "a an the one and is on in at to of over against with",
        "background backdrop corner center middle side",
    ]
    return sorted({word for phrase in phrases for word in phrase.split()})


def _sample_single(rng: random.Random) -> Scene:
    background, colour = rng.sample(list(COLOURS), 2)
    size = rng.choice((None, None, "small", "large"))
    place = rng.choice(
        (None, None, "left", "right", "top", "bottom", "centre", rng.choice(list(PLACES)[5:]))
    )
    radius = rng.uniform(*RADII[size])
    if place is None:
        spread = min(0.3, 0.95 - radius)
        centre = (rng.uniform(-spread, spread), rng.uniform(-spread, spread))
    else:
        centre = _inside(_jitter(PLACES[place], 0.05, rng), radius)
    return Scene(
        background, (Blob(rng.choice(list(SHAPES)), colour, centre, radius),), (size,), place
    )


def _sample_pair(rng: random.Random) -> Scene:
    background, *colours = rng.sample(list(COLOURS), 3)
    if rng.random() < 0.1:
        colours[1] = colours[0]
    relation = rng.choice((*RELATIONS, "and", "and"))
    across, up = RELATIONS["left of" if relation == "and" else relation]
    blobs, sizes = [], []
    for colour, side in zip(colours, (1, -1), strict=True):
        size = rng.choice((None, None, None, "small", "large"))
        radius = rng.uniform(*PAIR_RADII[size])
        centre = _inside(_jitter((across * side, up * side), 0.05, rng), radius)
        blobs.append(Blob(rng.choice(list(SHAPES)), colour, centre, radius))
        sizes.append(size)
    return Scene(background, tuple(blobs), tuple(sizes), None, relation)


def _jitter(point: Point, width: float, rng: random.Random) -> Point:
    return point[0] + rng.uniform(-width, width), point[1] + rng.uniform(-width, width)


def _inside(point: Point, radius: float) -> Point:
    """Move a shape's centre so that the shape stays within the picture."""
    limit = 0.97 - radius
    return max(-limit, min(limit, point[0])), max(-limit, min(limit, point[1]))


def _single_words(scene: Scene, rng: random.Random) -> str:
    noun = spoken_noun(scene.blobs[0], scene.sizes[0], rng)
    if scene.place is None:
        return noun
    form = rng.choice(("at the {}", "on the {}", "in the {}", "{}", "to the {}", "on the {} side"))
    return f"{noun}{rng.choice((' ', ' ', ', '))}{_place_words(scene.place, form, rng)}"


def _pair_words(scene: Scene, rng: random.Random) -> str:
    first, second = (
        spoken_noun(blob, size, rng) for blob, size in zip(scene.blobs, scene.sizes, strict=True)
    )
    relation = scene.relation or "and"
    if relation == "and":
        return f"{first} {rng.choice(('and', 'and', 'with'))} {second}"
    if rng.random() < 0.25:
        return _pair_by_places(first, second, relation, rng)
    if relation.endswith(" of"):
        relation = rng.choice((relation, relation, f"to the {relation}", f"on the {relation}"))
    return f"{first} {rng.choice(('', '', 'is '))}{relation} {second}"


def _pair_by_places(first: str, second: str, relation: str, rng: random.Random) -> str:
    """Name both places instead of their relation: "a star on the left and a ring on the right"."""
    ends = {"left of": ("left", "right"), "above": ("top", "bottom")}
    ends |= {"right of": ("right", "left"), "below": ("bottom", "top")}
    here, there = ends[relation]
    form = rng.choice(("at the {}", "on the {}"))
    return f"{first} {form.format(here)} and {second} {form.format(there)}"


def _place_words(place: str, form: str, rng: random.Random | None = None) -> str:
    if " " in place:
        return f"in the {place} corner" if rng is None or rng.random() < 0.7 else form.format(place)
    if place == "centre":
        word = "centre" if rng is None else rng.choice(("centre", "center", "middle"))
        return f"in the {word}" if rng is None or rng.random() < 0.7 else form.format(word)
    if rng is None:
        return f"{'on' if place in ('left', 'right') else 'at'} the {place}"
    return form.format(place)


def _noun(blob: Blob, size: str | None) -> str:
    words = f"{size} {blob.colour} {blob.shape}" if size else f"{blob.colour} {blob.shape}"
    return f"{article(words)} {words}"


def spoken_noun(blob: Blob, size: str | None, rng: random.Random) -> str:
    """Name a shape as people do: seldom without its colour, often with another article."""
    words = [blob.shape] if rng.random() < 0.03 else [blob.colour, blob.shape]
    if size:
        words.insert(0 if rng.random() < 0.9 else 1, rng.choice(SIZE_WORDS[size]))
    first = rng.choice((article(words[0]),) * 6 + ("the", "one", "", ""))
    return " ".join([first, *words]).strip()


def background_words(colour: str, rng: random.Random) -> str:
    """Say the ground in one of many ways."""
    ground = rng.choice(("background",) * 5 + ("backdrop",))
    forms = (f"on {article(colour)} {colour} {ground}",) * 6 + (
        f"on {colour}",
        f"{colour} {ground}",
        f"with {article(colour)} {colour} {ground}",
        f"over {article(colour)} {colour} {ground}",
        f"against {article(colour)} {colour} {ground}",
        f"on the {colour} {ground}",
    )
    return rng.choice(forms)


def article(word: str) -> str:
    """The indefinite article that `word` takes."""
    return "an" if word[0] in "aeiou" else "a"


def as_typed(sentence: str, rng: random.Random) -> str:
    """Capitals, full stops and unknown words, as they come."""
    words = sentence.split()
    while rng.random() < 0.12:
        words.insert(rng.randrange(len(words) + 1), _unknown_word(rng))
    sentence = " ".join(words)
    if rng.random() < 0.2:
        sentence = sentence[0].upper() + sentence[1:]
    elif rng.random() < 0.1:
        sentence = rng.choice((sentence.title(), sentence.upper()))
    return sentence + "." if rng.random() < 0.1 else sentence


def _unknown_word(rng: random.Random) -> str:
    letters = ("bcdfghjklmnprstvwyz", "aeiou")
    return "".join(rng.choice(letters[index % 2]) for index in range(rng.randint(3, 9)))
