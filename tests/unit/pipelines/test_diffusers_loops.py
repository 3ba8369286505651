"""The loops of the installed diffusers are such as a chain can drive: read from its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import diffusers

NOT_NUMBERED = {
    "LDMTextToImagePipeline",  # refused: it does not name `enumerate`
    "StableDiffusionPanoramaPipeline",  # refused: a latent for each view
    # refused: their schedulers step through tokens, not along an ODE
    "AmusedImg2ImgPipeline",
    "AmusedInpaintPipeline",
    "DiffusionGemmaPipeline",
    "LLaDA2Pipeline",
}
"""Pipelines whose loop is not `enumerate` of the scheduler's timesteps."""


def test_every_loop_that_steps_its_scheduler_numbers_a_grid() -> None:
    """A pipeline that this test names after an upgrade has to be looked at, and perhaps refused."""
    assert {name for name, loop in loops() if not numbers_a_grid(loop)} <= NOT_NUMBERED


def loops() -> Iterator[tuple[str, ast.For]]:
    """The innermost loops that step a scheduler, with their pipelines."""
    for file in sorted((Path(diffusers.__file__).parent / "pipelines").rglob("*.py")):
        source = file.read_text()
        if "scheduler.step(" not in source:
            continue
        for cls in ast.parse(source).body:
            for call in filter(takes_a_prompt, getattr(cls, "body", ())):
                nodes = list(ast.walk(call))
                outer = [node for node in nodes if isinstance(node, ast.For)]
                for step in filter(is_step, nodes):
                    around = [loop for loop in outer if encloses(loop, step)]
                    if around:  # others only look at its signature
                        yield cls.name, max(around, key=lambda loop: loop.lineno)


def takes_a_prompt(node: ast.stmt) -> bool:
    """Whether a method is a pipeline's call that `check_loop` does not refuse for its arguments."""
    if not isinstance(node, ast.FunctionDef) or node.name != "__call__":
        return False
    return {"prompt", "num_inference_steps"} <= {argument.arg for argument in node.args.args}


def is_step(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "step"
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "scheduler"
        and isinstance(node.ctx, ast.Load)
    )


def encloses(loop: ast.For, step: ast.AST) -> bool:
    return loop.lineno <= step.lineno <= (loop.end_lineno or 0)


def numbers_a_grid(loop: ast.For) -> bool:
    """Whether a loop is over `enumerate` of timesteps, or of a progress bar of them."""
    text = ast.unparse(loop.iter)
    return text.startswith("enumerate(") and "timesteps" in text
