"""What users read when the hub or the cache refuses; that it does so is tested in tests/hub."""

import pytest

from chords_cli.cli.options import as_option
from chords_cli.hub.errors import Access, lost_file, unusable_cache

ACCESS = Access("http://hub", "me/mine", "v2", logged_in=False)


@pytest.mark.parametrize(
    ("error", "typed", "python"),
    [
        (
            lost_file(ACCESS),
            "see http://hub/me/mine/tree/main, or name another --revision",
            "see http://hub/me/mine/tree/main, or name another revision",
        ),
        (
            unusable_cache("/cache", "No space left on device"),
            "choose another folder with --cache-dir or HF_HOME, or mend this one",
            "choose another folder with cache_dir or HF_HOME, or mend this one",
        ),
    ],
)
def test_hints_name_options_as_they_are_typed_or_called(error, typed, python):
    assert (error.spelled(as_option)[1], error.hint) == (typed, python)
