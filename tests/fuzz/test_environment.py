"""Variables of the environment that the program reads, with any values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.line import examples
from tests.fuzz.values import numbers, texts

LAUNCHER = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
NAMES = (
    *("CHORDS_START", "CHORDS_SECRET", "GLOO_SOCKET_IFNAME", "DIFFUSERS_ATTN_BACKEND"),
    *("HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"),
    *("HOME", "TMPDIR", "COLUMNS", "TERM", "IMAGEIO_FFMPEG_EXE", "XDG_RUNTIME_DIR"),
    *("TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT", "FORCE_COLOR"),
    *LAUNCHER,
)

value = st.one_of(texts, numbers.map(str)).map(
    lambda text: text.replace("\0", "").encode("utf-8", "surrogatepass").decode(errors="replace")
)


def ask(line, variables: dict[str, str]) -> None:
    line("image", "a fox", "--devices", "cpu", "--dry-run", "--cores", "2", **variables)
    line("plan", "--devices", "4", **variables)


@pytest.mark.parametrize("name", NAMES)
@examples(2)
@given(value=value)
def test_any_value_of_a_variable_is_used_or_refused(line, name, value):
    ask(line, {name: value})


@examples(6)
@given(
    variables=st.fixed_dictionaries(
        dict.fromkeys(LAUNCHER[:4], st.one_of(st.sampled_from(["0", "1", "2", "4"]), value)),
        optional=dict.fromkeys(LAUNCHER[4:], value),
    )
)
def test_any_values_of_a_launcher_are_used_or_refused(line, variables):
    ask(line, variables)
