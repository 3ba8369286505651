"""Runs see as many devices as the toy preset has cores."""

import pytest


@pytest.fixture(autouse=True)
def _four_gpus(four_gpus: None) -> None:
    """Nothing here asks which devices there are."""
