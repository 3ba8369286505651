"""What users read when the hub or the cache refuses; that it does so is tested in tests/hub."""

import pytest

from chords_cli.cli.options import as_option
from chords_cli.hub.errors import Access, explain, lost_file, unusable_cache

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
            "choose another folder with --cache-dir or HF_HOME, or fix this one",
            "choose another folder with cache_dir or HF_HOME, or fix this one",
        ),
    ],
)
def test_hints_name_options_as_they_are_typed_or_called(error, typed, python):
    assert (error.spelled(as_option)[1], error.hint) == (typed, python)


def test_a_proxy_with_a_strange_address_is_no_strange_hub():
    error = explain(ValueError("Unknown scheme for proxy URL 'nonsense://x'"), ACCESS)
    assert error.message.startswith("the address of the proxy cannot be used")
    assert error.hint == "correct or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"


def test_a_socks_proxy_without_its_package_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5h://me:secret@proxy.example:1080")
    access = Access("https://hub.example", "a/b", None, False)
    missing = ImportError("Using SOCKS proxy, but the 'socksio' package is not installed.")
    error = explain(missing, access)
    assert error.message == (
        "the proxy socks5h://proxy.example:1080 needs socksio, which is not installed"
    )
    assert error.hint == "pip install socksio, or unset ALL_PROXY and HTTPS_PROXY"
