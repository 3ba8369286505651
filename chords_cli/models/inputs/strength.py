"""How many steps of its grid a pipeline takes that starts from a picture with a strength.

Its method `get_timesteps` says it, and there are several rules: of ten steps a strength of .75
leaves eight in FluxImg2ImgPipeline and seven in StableDiffusionXLImg2ImgPipeline. So the method is
asked: its source is run alone, with a list in the place of timesteps, which it cuts. Nothing is
imported.
"""

import ast
import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from chords_cli.models.diffusers_source import (
    default_values,
    find_method,
    pipeline_lineage,
)

_METHOD, _STRENGTH = "get_timesteps", "strength"


@dataclass(frozen=True, kw_only=True, slots=True)
class Strength:
    """The strength of a pipeline.

    Attributes:
        argument: Of the call: what becomes the strength.
        default: Its value where the call has none.
        cut: The pipeline's `get_timesteps`, as a function of `self` and its arguments.
        parameters: The names of these, `self` first.
    """

    argument: str
    default: float
    cut: Callable[..., Any]
    parameters: tuple[str, ...]

    def steps_taken(self, steps: int, strength: float) -> int:
        """Returns how many of `steps` a loop takes, perhaps none."""
        grid = list(range(steps))
        scheduler = SimpleNamespace(timesteps=grid, order=1, set_begin_index=lambda index: None)
        known = {
            "self": SimpleNamespace(scheduler=scheduler),
            "num_inference_steps": steps,
            "timesteps": grid,
            "sigmas": [*grid, steps],
            _STRENGTH: strength,
        }
        *_, left, _ = self.cut(*(known.get(name) for name in self.parameters))
        return len(left)


@functools.cache
def strength_of(pipeline: str) -> Strength | None:
    """Reads the strength of a pipeline; None where it has none, or its source cannot be read.

    Some have the method and never ask it.
    """
    lineage = pipeline_lineage(pipeline) or []
    call, method = find_method(lineage, "__call__"), find_method(lineage, _METHOD)
    if call is None or method is None:
        return None
    parameters = tuple(argument.arg for argument in method.args.args)
    argument = _strength_argument(call, parameters)
    if argument is None:
        return None
    default = default_values(call).get(argument, 1.0)
    return Strength(
        argument=argument, default=default, cut=_as_function(method), parameters=parameters
    )


def steps_taken(pipeline: str, call: Mapping[str, Any]) -> int:
    """Returns T', the length of the loop of a pipeline that is called like that.

    It is `num_inference_steps` where the pipeline has no strength.
    """
    steps, found = int(call["num_inference_steps"]), strength_of(pipeline)
    if found is None:
        return steps
    return found.steps_taken(steps, call.get(found.argument, found.default))


def _strength_argument(call: ast.FunctionDef, parameters: tuple[str, ...]) -> str | None:
    """Finds which argument of the call is handed to `get_timesteps` as its strength."""
    if _STRENGTH not in parameters:
        return None
    place = parameters.index(_STRENGTH) - 1
    for node in ast.walk(call):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"self.{_METHOD}":
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            positional = dict(enumerate(node.args))
            given = named.get(_STRENGTH, positional.get(place))
            return given.id if isinstance(given, ast.Name) else None
    return None


def _as_function(method: ast.FunctionDef) -> Callable[..., Any]:
    """Returns a method as a function, without decorators, annotations and defaults."""
    bare = copy.deepcopy(method)
    bare.decorator_list, bare.returns = [], None
    bare.args.defaults, bare.args.kw_defaults = [], [None] * len(bare.args.kwonlyargs)
    for argument in (*bare.args.args, *bare.args.kwonlyargs):
        argument.annotation = None
    scope: dict[str, Any] = {}
    module = ast.fix_missing_locations(ast.Module([bare], []))
    exec(compile(module, f"<{_METHOD}>", "exec"), scope)
    made: Callable[..., Any] = scope[method.name]
    return made
