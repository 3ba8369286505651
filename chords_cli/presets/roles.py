"""What a picture or a video is for: the names of the options that take one."""

from typing import Literal, get_args

Role = Literal["image", "last-image", "mask", "control", "video"]
"""What a file is for, by the option that names it."""

ROLES: tuple[Role, ...] = get_args(Role)


def option_of(role: str) -> str:
    """Returns the name of the option that names files of a role."""
    return role.replace("-", "_")
