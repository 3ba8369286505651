"""Clips of one or two flat shapes that move, and the sentences that people could say them with.

A clip is a scene in time: shapes, colours and ground are those of `shapes.py`, and each shape has
one motion. As with pictures, one random generator makes both clip and sentence, and a tenth of the
combinations is kept from training (`is_held_out`).
"""

import math
import random
import zlib
from dataclasses import dataclass

import torch
from torch import Tensor

from training.scenes import (
    PREFIXES,
    SIZE_WORDS,
    article,
    as_typed,
    background_words,
    spoken_noun,
)
from training.shapes import COLOURS, Blob, Layout, paint

CLIP_SIZE = 64
CLIP_FRAMES = 17
SHAPES = ("circle", "square", "triangle", "star", "ring", "heart")
MOTION_WORDS = {
    "left": ("moving left", "moving to the left", "going left", "sliding left"),
    "right": ("moving right", "moving to the right", "going right", "sliding right"),
    "up": ("moving up", "moving upwards", "going up", "rising"),
    "down": ("moving down", "moving downwards", "going down", "falling"),
    "bouncing": ("bouncing", "bouncing", "bouncing up and down", "jumping"),
    "growing": ("growing", "growing", "getting bigger", "getting larger"),
    "shrinking": ("shrinking", "shrinking", "getting smaller"),
    "still": ("standing still", "not moving", "at rest"),
}
MOTIONS = tuple(MOTION_WORDS)
SIDEWAYS = ("left", "right", "growing", "shrinking", "still")
UPRIGHT = ("up", "down", "bouncing", "growing", "shrinking", "still")
_RADII = {"small": (0.2, 0.25), None: (0.3, 0.4), "large": (0.45, 0.52)}
_PAIR_RADII = {"small": (0.18, 0.22), None: (0.25, 0.32), "large": (0.35, 0.4)}
_TRAVEL = {"left": (-1, 0), "right": (1, 0), "up": (0, 1), "down": (0, -1)}


@dataclass(frozen=True, slots=True)
class Actor:
    """A shape as it stands in the middle of its motion, and what it does.

    `size` is the word for its size, where one is said.
    """

    blob: Blob
    motion: str
    size: str | None = None

    def at(self, time: float) -> Blob:
        """The shape at `time`, 0 at the first frame and 1 at the last."""
        x, y = self.blob.centre
        radius = self.blob.radius
        if self.motion in _TRAVEL:
            reach = (2.0 * time - 1.0) * (0.92 - radius)
            across, up = _TRAVEL[self.motion]
            x, y = x + across * reach, y + up * reach
        elif self.motion == "bouncing":
            room = 0.92 - radius
            y = y - room + 2.0 * room * abs(math.sin(2.0 * math.pi * time))
        elif self.motion != "still":
            part = time if self.motion == "growing" else 1.0 - time
            radius *= 0.4 + 1.0 * part
        return Blob(self.blob.shape, self.blob.colour, (x, y), radius)


@dataclass(frozen=True, slots=True)
class Clip:
    """What is seen: one shape, or a first one that is `relation` ("above", "left of") a second."""

    background: str
    actors: tuple[Actor, ...]
    relation: str | None = None

    def key(self) -> str:
        """The combination that `is_held_out` decides on."""
        things = " ".join(
            f"{actor.blob.colour} {actor.blob.shape} {actor.motion}" for actor in self.actors
        )
        return f"{things} on {self.background}"


def is_held_out(clip: Clip) -> bool:
    """Whether this combination of colours, shapes, motions and ground is kept from training."""
    return zlib.crc32(clip.key().encode()) % 10 == 0


def sample_clip(rng: random.Random, *, held_out: bool = False, pairs: float = 0.3) -> Clip:
    """Draw a clip from one side of the split; it has two shapes with probability `pairs`."""
    while True:
        clip = _sample_pair(rng) if rng.random() < pairs else _sample_single(rng)
        if is_held_out(clip) == held_out:
            return clip


def describe(clip: Clip, rng: random.Random, *, moving: bool = True) -> str:
    """Say the clip in one of many ways, at times less a detail or with a word nobody knows.

    Args:
        clip: what is seen.
        rng: makes the choices.
        moving: whether to say how the shapes move; of a single frame nobody could.
    """
    words = [_spoken_actor(actor, rng, moving=moving) for actor in clip.actors]
    if len(words) == 2:
        subject = f"{words[0]} {_spoken_relation(clip, rng)} {words[1]}"
    else:
        subject = words[0]
    if rng.random() < 0.12:
        subject = f"{rng.choice(PREFIXES)} {subject}"
    if rng.random() < 0.05:
        sentence = subject
    elif rng.random() < 0.12:
        sentence = f"{background_words(clip.background, rng)}{rng.choice((', ', ' '))}{subject}"
    else:
        sentence = f"{subject}{rng.choice((', ', ' ', ' ', ' '))}"
        sentence += background_words(clip.background, rng)
    return as_typed(sentence, rng)


def plain_sentence(clip: Clip) -> str:
    """Say the clip in the plainest full sentence, as the evaluation does."""
    words = []
    for actor in clip.actors:
        noun = f"{actor.size + ' ' if actor.size else ''}{actor.blob.colour} {actor.blob.shape}"
        words.append(f"{article(noun)} {noun} {MOTION_WORDS[actor.motion][0]}")
    link = f" {clip.relation} " if clip.relation else ""
    return f"{link.join(words)} on {article(clip.background)} {clip.background} background"


def layout(clips: list[Clip], times: list[list[float]] | None = None) -> Layout:
    """What to paint for each frame of each clip.

    Args:
        clips: B clips.
        times: for each clip its F moments, 0 to 1; all frames of the whole clip by default.
    """
    times = times or [frame_times()] * len(clips)
    layers = [
        [
            clip.actors[layer].at(time) if layer < len(clip.actors) else None
            for clip, moments in zip(clips, times, strict=True)
            for time in moments
        ]
        for layer in (0, 1)
    ]
    backgrounds = [
        clip.background
        for clip, moments in zip(clips, times, strict=True)
        for _ in range(len(moments))
    ]
    return Layout.of(backgrounds, layers)


def paint_frames(
    frames: Layout,
    count: int = CLIP_FRAMES,
    windows: Tensor | None = None,
    size: int = CLIP_SIZE,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Paint clips, in [-1, 1], shape (B, 3, F, size, size).

    Args:
        frames: of B clips, B x F of them.
        count: F, the frames of each clip.
        windows: (B, 2) top left pixels of the parts to paint, where only parts are wanted.
        size: pixels a side of what is painted.
        device: to paint on.
    """
    if windows is not None:
        windows = windows.repeat_interleave(count, dim=0)
    images = paint(frames, windows, size, CLIP_SIZE, device)
    return images.unflatten(0, (-1, count)).transpose(1, 2).contiguous()


def draw(clips: list[Clip]) -> Tensor:
    """Paint whole clips, in [-1, 1], shape (B, 3, F, H, W)."""
    return paint_frames(layout(clips))


def frame_times(frames: int = CLIP_FRAMES) -> list[float]:
    """The moments of a clip's frames."""
    return [frame / (frames - 1) for frame in range(frames)]


def vocabulary() -> list[str]:
    """Every word that the grammar can say, sorted."""
    phrases = [
        *SHAPES,
        *COLOURS,
        *PREFIXES,
        *(word for words in SIZE_WORDS.values() for word in words),
        *(phrase for phrases in MOTION_WORDS.values() for phrase in phrases),
        "moves moving grows shrinks bounces rises falls stands still big small",
        "a an the one and is on in at to of over against with while",
        "above below left right background backdrop clip video",
    ]
    return sorted({word for phrase in phrases for word in phrase.split()})


def _sample_single(rng: random.Random) -> Clip:
    background, colour = rng.sample(list(COLOURS), 2)
    motion = rng.choice(MOTIONS)
    size = (
        None if motion in ("growing", "shrinking") else rng.choice((None, None, "small", "large"))
    )
    radius = rng.uniform(*_RADII[size])
    spread = min(0.35, 0.9 - radius * (1.4 if motion in ("growing", "shrinking") else 1.0))
    x, y = rng.uniform(-spread, spread), rng.uniform(-spread, spread)
    x, y = (0.0, y) if motion in ("left", "right") else (x, 0.0 if _is_upright(motion) else y)
    actor = Actor(Blob(rng.choice(SHAPES), colour, (x, y), radius), motion, size)
    return Clip(background, (actor,))


def _sample_pair(rng: random.Random) -> Clip:
    """Two shapes, one above or beside the other, each of which keeps to its own half."""
    background, *colours = rng.sample(list(COLOURS), 3)
    relation = rng.choice(("above", "left of"))
    actors = []
    for colour, side in zip(colours, (1, -1), strict=True):
        motion = rng.choice(SIDEWAYS if relation == "above" else UPRIGHT)
        changing = motion in ("growing", "shrinking")
        size = None if changing else rng.choice((None, None, None, "small", "large"))
        radius = rng.uniform(*_PAIR_RADII[size])
        offset = side * rng.uniform(0.44, 0.52)
        centre = (0.0, offset) if relation == "above" else (-offset, 0.0)
        actors.append(Actor(Blob(rng.choice(SHAPES), colour, centre, radius), motion, size))
    return Clip(background, tuple(actors), relation)


def _is_upright(motion: str) -> bool:
    return motion in ("up", "down", "bouncing")


def _spoken_actor(actor: Actor, rng: random.Random, *, moving: bool) -> str:
    noun = spoken_noun(actor.blob, actor.size, rng)
    if not moving or rng.random() < 0.03:
        return noun
    if actor.motion in _TRAVEL and rng.random() < 0.12:
        return f"{noun} moves {actor.motion}"
    link = rng.choice((" ", " ", " ", " ", " ", ", ", " is ", " that is "))
    return f"{noun}{link}{rng.choice(MOTION_WORDS[actor.motion])}"


def _spoken_relation(clip: Clip, rng: random.Random) -> str:
    relation = clip.relation or "and"
    if rng.random() < 0.3:
        return rng.choice(("and", "and", "with"))
    if relation == "left of":
        return rng.choice((relation, relation, "to the left of"))
    return relation
