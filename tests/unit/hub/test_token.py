"""Whether there is a token, and where it comes from; its value goes nowhere."""

import huggingface_hub
import pytest

from chords_cli.hub.token import Token, find_token


@pytest.fixture
def stored(monkeypatch):
    """Gives the hub's client this token."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return lambda value: monkeypatch.setattr(huggingface_hub, "get_token", lambda: value)


def test_no_token_is_none(stored):
    stored(None)
    assert find_token() is None


def test_a_token_is_told_by_its_file_or_its_variable(stored, monkeypatch):
    stored("hf_secret")
    assert find_token() == Token(huggingface_hub.constants.HF_TOKEN_PATH, usable=True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert find_token() == Token("HF_TOKEN", usable=True)
    assert "hf_secret" not in repr(find_token())


def test_a_token_with_a_space_is_not_usable(stored):
    stored("hf_sec ret")
    found = find_token()
    assert found is not None
    assert not found.usable
