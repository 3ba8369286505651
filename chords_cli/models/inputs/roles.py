"""Which argument of a pipeline's call takes a picture or a video of a role."""

from collections.abc import Collection, Mapping

from chords_cli.presets.inputs import InputRule
from chords_cli.presets.roles import Role

ARGUMENTS: Mapping[Role, tuple[str, ...]] = {
    "image": ("image", "images", "reference_images"),
    "last-image": ("last_image",),
    "mask": ("mask_image", "mask", "control_mask"),
    "control": ("control_image", "control_video"),
    "video": ("video",),
}
"""The names that pipelines have for each role, the likeliest first."""


def argument_of(role: Role, arguments: Collection[str], rule: InputRule | None) -> str | None:
    """Returns the argument that takes files of a role; None where the pipeline takes none.

    Args:
        role: What the files are for.
        arguments: Of the pipeline's call.
        rule: What the preset says of the role.
    """
    if rule is not None and rule.argument:
        return rule.argument if rule.argument in arguments else None
    return next((name for name in ARGUMENTS[role] if name in arguments), None)


def taken_roles(arguments: Collection[str], rules: Mapping[Role, InputRule]) -> dict[Role, str]:
    """Returns the arguments that take files, by role; what a rule names is that role's alone."""
    found = {role: argument_of(role, arguments, rules.get(role)) for role in ARGUMENTS}
    named = {rule.argument: role for role, rule in rules.items() if rule.argument}
    return {role: name for role, name in found.items() if name and named.get(name, role) == role}
