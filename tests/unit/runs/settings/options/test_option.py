"""A value that comes from Python or a file has its option's type."""

import numpy as np
import pytest

from chords_cli.errors import UsageError
from chords_cli.runs.settings.options.option import check_value


@pytest.mark.parametrize(
    ("value", "annotation"), [(np.int64(7), int), (np.uint8(7), int), (np.float32(0.5), float)]
)
def test_a_number_of_numpy_is_taken_as_pythons(value, annotation):
    checked = check_value("seed", value, annotation)
    assert type(checked) is annotation
    assert checked == value


@pytest.mark.parametrize("value", [np.float64(7.0), np.float32(7.5), "7", None, np.array([7])])
def test_another_type_is_refused(value):
    with pytest.raises(UsageError, match=r"^seed is .*: input should be a valid integer"):
        check_value("seed", value, int)
