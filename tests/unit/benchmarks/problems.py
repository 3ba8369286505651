"""Problems of the study on tiny pipelines of both built-in models' classes."""

from benchmarks.study.problem import Problem
from tests.doubles import tiny

STEPS, PROMPTS = 12, ["a cat", "a dog", "a bird"]
FAMILIES = {"flux": "true_cfg_scale", "wan": "guidance_scale"}


def problem(family: str, guidance: float = 4.0, steps: int = STEPS) -> Problem:
    pipe = tiny.BUILDERS[family]()
    pipe.set_progress_bar_config(disable=True)
    call = tiny.CALLS[family] | {
        "prompt": PROMPTS,
        "negative_prompt": [""] * len(PROMPTS),
        "num_inference_steps": steps,
        FAMILIES[family]: guidance,
    }
    return Problem(pipe, call, range(len(PROMPTS)), guidance)
