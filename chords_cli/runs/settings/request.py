"""What the user asked for, before presets and defaults are applied; None means not said."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chords_cli.sampler.choice import PlanChoice, parse_init_t


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The options of `chords image` and `chords video`, named as on the command line."""

    kind: Literal["image", "video"]
    prompts: tuple[str, ...] = ()
    prompt_file: str | None = None
    model: str | None = None
    cores: int | None = None
    algo: str | None = None
    init_t: str | None = None
    rounds: int | None = None
    speedup: float | None = None
    stop_index: int | None = None
    stop_residual: float | None = None
    steps: int | None = None
    seed: int | None = None
    num: int | None = None
    guidance: float | None = None
    negative_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: int | None = None
    gif: bool = False
    output: Path | None = None
    all_cores: bool = False
    save_latents: bool = False
    devices: str | None = None
    dtype: str | None = None
    loras: tuple[tuple[str, float], ...] = ()
    resume: bool = False
    overwrite: bool = False
    metadata: bool = True
    from_metadata: Path | None = None
    timeout: float | None = None

    @property
    def plan(self) -> PlanChoice:
        """What the options say of the plan.

        Raises:
            PlanError: The starts cannot be read.
        """
        return PlanChoice(
            steps=self.steps,
            cores=self.cores,
            algo=self.algo,
            init_t=None if self.init_t is None else parse_init_t(self.init_t),
            rounds=self.rounds,
            speedup=self.speedup,
        )
