import pickle

import pytest

from chords_cli.cli.options import COMPARISON, as_option
from chords_cli.errors import UsageError
from chords_cli.presets.parts import Cache
from chords_cli.runs.compare.arms import KNOWN, ArmError, parse_arm, parse_arms
from chords_cli.runs.compare.arms import SETTINGS as SETTABLE
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.request import Request
from chords_cli.sampler.choice import ALGORITHMS

SETTINGS = (
    "an arm may set model, cores, steps, init_t, rounds, speedup, stop_index, stop_residual, "
    "guidance, negative_prompt, devices, dtype, guidance_split, context, strength, scheduler, cache"
)

REFUSED = {
    "nothing": ("  ", "an arm is empty", 'name an algorithm, as in --arm "chords stop_index=2"'),
    "an unknown algorithm": (
        "chord stop_index=2",
        "arm 'chord stop_index=2' begins with 'chord', which is no algorithm",
        "begin with chords",
    ),
    "settings without an algorithm": (
        "stop_index=2",
        "arm 'stop_index=2' begins with 'stop_index=2', which is no algorithm",
        "begin with sequential, few-steps, chords or wavefront",
    ),
    "a word that sets nothing": (
        "chords fast",
        "arm 'chords fast': 'fast' is not name=value",
        'write settings as in --arm "chords cores=8 stop_index=2"',
    ),
    "a misspelt setting": (
        "chords stopindex=2",
        "arm 'chords stopindex=2': stopindex is not a setting of an arm",
        f"did you mean stop_index? {SETTINGS}",
    ),
    "a setting of all arms": (
        "chords seed=2",
        "arm 'chords seed=2': seed is not a setting of an arm",
        SETTINGS,
    ),
    "text for a number": (
        "chords cores=many",
        "arm 'chords cores=many': cores is 'many', but must be a whole number",
        "write cores=4",
    ),
    "the same twice": (
        "chords cores=2 --cores=4",
        "arm 'chords cores=2 --cores=4' sets something twice",
        "leave one of them out",
    ),
    "several cores' settings for few steps": (
        "few-steps rounds=3",
        "arm 'few-steps rounds=3': few-steps runs on 1 core and takes no rounds",
        "write steps=20 to say how many steps it takes",
    ),
    "a cache that does not exist": (
        "sequential cache=teacache",
        "arm 'sequential cache=teacache': cache is 'teacache', but must be first-block, "
        "taylorseer, mag, faster, pyramid or own",
        "leave it out to evaluate every step completely",
    ),
    "a parameter without a value": (
        "sequential cache=first-block:0.1",
        "arm 'sequential cache=first-block:0.1': '0.1' is not a parameter of a cache",
        "write parameters as in cache=first-block:threshold=0.1",
    ),
    "a scheduler that no arm takes": (
        "few-steps scheduler=heun",
        "arm 'few-steps scheduler=heun': scheduler is 'heun', but must be dpm++2m or unipc",
        "leave it out for the model's own",
    ),
    "an open quote": (
        'chords negative_prompt="a b',
        "arm 'chords negative_prompt=\"a b' cannot be read: no closing quotation",
        "close its quotes",
    ),
}


@pytest.mark.parametrize(("text", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_an_arm_that_is_none_is_refused_in_words(text, message, hint):
    with pytest.raises(UsageError) as caught:
        parse_arm(text)
    assert caught.value.spelled(as_option) == (message, hint)


def test_an_arm_is_an_algorithm_with_settings_of_their_own_types():
    arm = parse_arm("  chords  cores=8 stop-residual=0.5 model=my/own.yaml ")
    assert arm.name == "chords cores=8 stop-residual=0.5 model=my/own.yaml"
    assert arm.algo == "chords"
    assert arm.given == {"cores": 8, "stop_residual": 0.5, "model": "my/own.yaml"}


def test_a_setting_may_hold_spaces_in_quotes():
    assert parse_arm("chords negative_prompt='a b'").given == {"negative_prompt": "a b"}


def test_without_a_name_one_devices_ways_are_compared_with_every_algorithm():
    arms = parse_arms([])
    assert [arm.name for arm in arms] == [
        "sequential",
        *("few-steps", "few-steps scheduler=dpm++2m", "few-steps scheduler=unipc"),
        *("wavefront cores=1", "chords", "wavefront"),
    ]
    assert {arm.algo for arm in arms} == {*ALGORITHMS, "few-steps"} == set(KNOWN)


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ("few-steps", True),
        ("few-steps scheduler=unipc", True),
        ("few-steps steps=9", False),
        ("wavefront cores=1", True),
        ("wavefront cores=1 rounds=9", False),
        ("wavefront cores=1 speedup=2", False),
        ("wavefront cores=2", False),
        ("sequential scheduler=unipc", False),
    ],
)
def test_one_devices_arms_keep_pace_unless_they_have_their_own(text, keeps):
    assert parse_arm(text).keeps_pace == keeps


def test_a_cache_is_read_with_its_parameters():
    arm = parse_arm("sequential cache=taylorseer:cache_interval=3:use_lite_mode=true steps=9")
    assert arm.cache == Cache(name="taylorseer", args={"cache_interval": 3, "use_lite_mode": True})
    assert arm.given == {"steps": 9}
    (ratios,) = parse_arm("sequential cache=mag:mag_ratios=1,1.02,0.5").cache.args.values()
    assert ratios == [1, 1.02, 0.5]
    text = "sequential cache=taylorseer:taylor_factors_dtype=float32"
    assert parse_arm(text).cache.args == {"taylor_factors_dtype": "float32"}
    assert parse_arm("sequential cache=own").cache == "own"


def test_a_scheduler_belongs_to_the_model_and_not_to_the_request():
    arm = parse_arm("few-steps scheduler=dpm++2m steps=9")
    assert (arm.scheduler, arm.given) == ("dpm++2m", {"steps": 9})


def test_the_same_arm_twice_is_refused_whatever_its_spaces():
    with pytest.raises(UsageError, match="arm 'chords cores=2' is given twice"):
        parse_arms(["chords cores=2", "sequential", " chords  cores=2"])


def test_one_arm_is_no_comparison():
    with pytest.raises(UsageError) as caught:
        parse_arms(["chords"])
    assert caught.value.spelled(as_option) == (
        "'chords' is the only arm, but a comparison needs two",
        "add another, as in --arm 'chords' --arm sequential",
    )


@pytest.mark.parametrize(
    ("arm", "text", "suggests", "shown"),
    [
        ("chords", "try {rounds}", {"rounds": 15}, "try rounds=15"),
        ("chords", "use {algo}, or leave out {rounds}", {"algo": "wavefront", "rounds": None},
         "use wavefront, or leave out rounds"),
        ("chords", "{init_t} and {speedup} exclude each other", {"init_t": "0-8", "speedup": 4.0},
         "init_t=0-8 and speedup=4 exclude each other"),
        ("chords", "use {cores}, or leave out {cores:name} or {init_t}",
         {"cores": 2, "init_t": None}, "use --cores 2, or leave out --cores or init_t"),
        ("chords cores=3", "use {cores}, or leave out {cores:name} or {init_t}",
         {"cores": 2, "init_t": None}, "use cores=2, or leave out cores or init_t"),
        ("chords devices=x", "write {devices}", {"devices": "cuda:0,cuda:1"},
         "write devices=cuda:0,cuda:1"),
        ("chords guidance=1", "raise {guidance} above 1", {"guidance": None},
         "raise guidance above 1"),
        ("chords", "try {width}", {"width": 48}, "try --width 48"),
    ],
)  # fmt: skip
def test_an_arm_writes_options_as_it_sets_them(arm, text, suggests, shown):
    error = ArmError(parse_arm(arm), UsageError(text, text, suggests))
    assert error.spelled(as_option) == (f"arm {arm!r}: {shown}", shown)


def test_an_error_of_an_arm_survives_the_way_between_processes():
    error = ArmError(parse_arm("chords rounds=3"), UsageError("a", "try {rounds}", {"rounds": 2}))
    again = pickle.loads(pickle.dumps(error))
    assert again.spelled(as_option) == error.spelled(as_option) == (
        "arm 'chords rounds=3': a", "try rounds=2"
    )  # fmt: skip


def test_what_an_arm_and_all_arms_may_set_is_an_option_of_the_command_too():
    both = {name for name, (_, option) in options_of(Request).items() if option.compare == "both"}
    assert set(SETTABLE) & set(COMPARISON) == both


@pytest.mark.parametrize(
    ("word", "value"),
    [("guidance-split", True), ("guidance_split=true", True), ("guidance-split=false", False)],
)
def test_a_setting_that_is_true_or_false_needs_no_value(word, value):
    assert parse_arm(f"sequential {word}").given == {"guidance_split": value}
