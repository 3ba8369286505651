"""The loops of the installed diffusers are such as a chain can drive: read from its source."""

import ast
import functools
from collections.abc import Callable, Iterator

import pytest

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import read_pipeline, source_files
from chords_cli.pipelines.loops import check_loop, check_turned_off

pytestmark = pytest.mark.slow  # all of its source is parsed

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

ONLY_WITHOUT_A_PROMPT = {"QwenImageLayeredPipeline"}
"""Pipelines that write a prompt where there is none; prompts may not be empty."""

ON = {"caption_upsample_temperature": 0.15, "prompt_upsampling": True}
"""Arguments that are off by default."""


def test_every_loop_that_steps_its_scheduler_numbers_a_grid() -> None:
    """A pipeline that this test names after an upgrade has to be looked at, and perhaps refused."""
    assert looked_at()[has_a_loop_without_numbers] <= NOT_NUMBERED


def draws_noise(cls: ast.ClassDef) -> bool:
    """Whether a loop that steps a scheduler draws noise, by itself or by a method of the class."""
    drawing = {"randn_tensor", "randn", "randn_like", "rand"}
    return any(drawing & asked(cls, loop) for loop in loops(cls))


def writes_text(cls: ast.ClassDef) -> bool:
    """Whether the call has a language model write."""
    call = method_of(cls, "__call__")
    return call is not None and not {"generate", "generate_captions"}.isdisjoint(asked(cls, call))


def makes_grids(cls: ast.ClassDef) -> bool:
    """Whether the call makes the scheduler's grid in a loop."""
    return any(
        name in {"set_timesteps", "retrieve_timesteps"}
        for loop in ast.walk(method_of(cls, "__call__") or cls)
        if isinstance(loop, ast.For | ast.While)
        for name in asked(cls, loop)
    )


@pytest.mark.parametrize("is_no_good", [draws_noise, writes_text, makes_grids])
def test_no_pipeline_that_draws_noise_writes_or_makes_several_grids_is_accepted(
    is_no_good: Callable[[ast.ClassDef], bool],
) -> None:
    """One that this test names after an upgrade has to be refused in `pipelines/loops.py`."""
    found = looked_at()[is_no_good]
    assert found
    assert {name for name in found if is_accepted(name)} <= ONLY_WITHOUT_A_PROMPT


def is_accepted(name: str) -> bool:
    """Whether a pipeline is accepted, called without any argument that can be left out."""
    try:
        read = read_pipeline(name)
        assert read is not None
        check_loop(name, named=read.named, arguments=read.arguments, components=read.components)
        check_turned_off(name, ON | read.defaults, read.components)
    except UsageError:
        return False
    return True


def method_of(cls: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == name), None)


def asked(cls: ast.ClassDef, node: ast.AST) -> set[str]:
    """The names of what a piece of a class calls, by itself and by other methods of the class."""
    names, pieces = set[str](), [node]
    while pieces:
        for call in ast.walk(pieces.pop()):
            if isinstance(call, ast.Call):
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                if name not in names and (method := method_of(cls, name)):
                    pieces.append(method)
                names.add(name)
    return names


@functools.cache
def looked_at() -> dict[Callable[[ast.ClassDef], bool], set[str]]:
    """The pipelines of the installed diffusers of which each of these is true."""
    questions = (has_a_loop_without_numbers, draws_noise, writes_text, makes_grids)
    found: dict[Callable[[ast.ClassDef], bool], set[str]] = {one: set() for one in questions}
    texts = [file.read_text() for file in source_files("pipelines")]
    for text in (text for text in texts if "def __call__(" in text):
        for cls in ast.parse(text).body:
            if isinstance(cls, ast.ClassDef) and method_of(cls, "__call__"):
                for one in questions:
                    found[one] |= {cls.name} if one(cls) else set()
    return found


def has_a_loop_without_numbers(cls: ast.ClassDef) -> bool:
    return not all(numbers_a_grid(loop) for loop in loops(cls))


def loops(cls: ast.ClassDef) -> Iterator[ast.For]:
    """The innermost loops of a pipeline that step a scheduler."""
    for call in filter(takes_a_prompt, cls.body):
        nodes = list(ast.walk(call))
        outer = [node for node in nodes if isinstance(node, ast.For)]
        for step in filter(is_step, nodes):
            around = [loop for loop in outer if encloses(loop, step)]
            if around:  # others only look at its signature
                yield max(around, key=lambda loop: loop.lineno)


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
