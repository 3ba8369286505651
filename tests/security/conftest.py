"""Commands as users type them, with the tiny model of the tests of the command line."""

from tests.cli.conftest import _plain_world, chords, command, environment, forked, home

__all__ = ["_plain_world", "chords", "command", "environment", "forked", "home"]
