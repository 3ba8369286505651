"""What all borders share: a folder to run command lines in."""

import pytest

from tests.fuzz.line import Line


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    """Runs command lines in a folder of the module's own."""
    return Line(tmp_path_factory.mktemp("fuzz"))
