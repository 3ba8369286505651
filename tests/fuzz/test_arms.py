"""Arms of a comparison, whatever is typed there."""

from hypothesis import given
from hypothesis import strategies as st

from chords_cli.models.counterparts import SAMPLERS
from chords_cli.pipelines.load.spec import CACHES
from chords_cli.runs.compare.arms import KNOWN, SETTINGS
from tests.fuzz.line import examples
from tests.fuzz.values import numbers, texts

likely = st.one_of(
    texts,
    numbers.map(str),
    st.integers(1, 30).map(str),
    st.sampled_from(["auto", "0-2-4", "cpu", "float32", "true", "false", "own", *SAMPLERS]),
    st.builds("{}:{}={}".format, st.sampled_from([*CACHES]), texts, st.one_of(texts, numbers)),
)
setting = st.one_of(
    st.builds("{}={}".format, st.sampled_from([*SETTINGS]), likely),
    st.builds("{}={}".format, texts, likely),
    texts,
)
arm = st.builds(
    lambda name, settings: " ".join([name, *settings]),
    st.one_of(st.sampled_from(KNOWN), texts),
    st.lists(setting, max_size=3),
).map(lambda text: text.replace("\0", ""))


@examples(20)
@given(arms=st.lists(arm, min_size=1, max_size=2))
def test_any_arms_are_used_or_refused(line, arms):
    typed = [word for one in arms for word in ("--arm", one)]
    options = ("--steps", "8", "--devices", "cpu", "--dry-run")
    line("compare", "a fox", *typed, "--arm", "sequential", *options)


@examples(3)
@given(arms=st.lists(arm, max_size=2), reference=texts)
def test_any_reference_is_used_or_refused(line, arms, reference):
    typed = [word for one in arms for word in ("--arm", one)]
    options = ("--reference", reference.replace("\0", ""), "--devices", "cpu", "--dry-run")
    line("compare", "a fox", *typed, "--steps", "8", *options)
