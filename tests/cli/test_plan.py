"""`chords plan`: the drawing, the document, and every way to ask for no plan."""

import json

import pytest

DEFAULT = """\
chords 0-8-16-32 · 4 cores · 50 steps

round    1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 
core 0   0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 
core 1   0  8  9 10 11 12 13 14 15↓16 17 18 19 20 21 22 23↓24 25 26 27 
core 2   0  8 16 17 18 19 20 21 22 23↓24 25 26 27 28 29 30 31↓32 33 34 
core 3   0  8 16 32○33 34 35 36 37 38 39 40 41 42 43 44 45 46 47↓48 49●

↓ corrected by the core above   ○ preview   ● output   dim: not needed, not run

rounds    21 instead of 50 (to output 1)
speed-up  2.38x, if every core has a device of its own
NFE       78 distinct; 75 run: 9 not needed, 6 repeated
messages  5 latents sent between neighbours

output  core  round  speed-up  NFE                      
────────────────────────────────────────────────────────
     0     3      4    12.50x   10  preview             
     1     3     21     2.38x   78  the result          
     2     2     36     1.39x  123                      
     3     1     43     1.16x  137                      
     4     0     50     1.00x  144  exact, as sequential

"""  # noqa: W291 - as printed


def test_plan_draws_the_published_plan_of_four_cores(chords):
    answer = chords("plan", "--algo", "chords")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == DEFAULT


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("arguments", [["-k", "8"], ["-k", "16"], ["--steps", "300", "-k", "2"]])
def test_plan_stays_within_the_terminal(chords, monkeypatch, width, arguments):
    monkeypatch.setenv("COLUMNS", str(width))
    answer = chords("plan", *arguments)
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= width


def test_plan_uses_one_character_a_round_when_steps_do_not_fit(chords, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = chords("plan", "--algo", "chords").out.splitlines()
    assert lines[2:7] == [
        "round   1       10        20",
        "core 0  ·····················",
        "core 1  =·······↓·······↓····",
        "core 2  ==·······↓·······↓···",
        "core 3  ===○··············↓·●",
    ]


def test_plan_continues_below_when_rounds_do_not_fit(chords, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = chords("plan", "--algo", "sequential", "--steps", "100").out.splitlines()
    assert lines[2:7] == [
        "round   1       10        20        30        40        50",
        f"core 0  ○{'·' * 51}",
        "",
        "round   53    60        70        80        90       100",
        f"core 0  {'·' * 47}●",
    ]


def test_plan_document_is_the_plan_as_data(chords):
    document = chords("plan", "--algo", "chords", "--cores", "8", "--json").document
    assert document["init_t"] == [0, 2, 4, 8, 16, 24, 32, 40]
    assert (document["rounds"], round(document["speedup"], 2)) == (17, 2.94)
    assert document["outputs"][1] == {
        "index": 1,
        "core": 7,
        "round": 17,
        "speedup": 50 / 17,
        "nfe_total": 108,
        "nfe_run": 101,
    }
    assert document["messages"][0] == {"round": 2, "core": 1, "start": 2, "stop": 4}
    assert len(document["walks"]) == len(document["evaluations"]) == 8


def test_plan_takes_the_number_of_cores_from_the_starts(chords):
    document = chords("plan", "--init-t", "0-5-20", "--steps", "30", "--json").document
    assert (document["cores"], document["init_t"]) == (3, [0, 5, 20])


def test_plan_of_one_core_is_sequential(chords):
    document = chords("plan", "--algo", "sequential", "--json").document
    assert (document["cores"], document["rounds"], document["speedup"]) == (1, 50, 1.0)


def test_plan_goes_to_the_output_that_is_asked_for(chords):
    document = chords("plan", "--algo", "chords", "--stop-index", "2", "--json").document
    assert (document["stop_index"], document["rounds"]) == (2, 36)


def test_plan_follows_the_preset_file(chords, tmp_path):
    full = chords("presets", "demo-image").out
    file = tmp_path / "mine.yaml"
    full = full.replace("cores: 4", "cores: 2").replace("algo: wavefront", "algo: chords")
    file.write_text(full.replace("init_t: auto", "init_t: 0-25"))
    document = chords("plan", "--model", str(file), "--json").document
    assert document["init_t"] == [0, 25]
    assert chords("plan", "--model", str(file), "-k", "4", "--json").document["init_t"][-1] == 32


JOINED = "write one start a core, slowest first, as in 0-8-16-32"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("--cores 0", "cores is 0, but a run has at least 1 core", "try --cores 4"),
        ("--cores -2", "cores is -2, but a run has at least 1 core", "try --cores 4"),
        (
            "--cores 51",
            "cores is 51, but 50 steps allow at most 50 cores",
            "use --cores 50 or fewer, or more --steps",
        ),
        ("--steps 0", "steps is 0, but a grid has at least 1 step", "try --steps 50"),
        (
            "--steps 3",
            "cores is 4, but 3 steps allow at most 3 cores",
            "use --cores 3 or fewer, or more --steps",
        ),
        (
            "--init-t 1-8-16",
            "init_t 1-8-16 does not start at 0",
            "core 0 visits every step: begin with 0, as in 0-8-16-32",
        ),
        (
            "--init-t 0-16-8",
            "init_t 0-16-8 is not increasing: 8 follows 16",
            "sort the starts, slowest core first, as in 0-8-16-32",
        ),
        ("--init-t 0-8-8", "init_t 0-8-8 repeats 8", "give every core its own start"),
        (
            "--init-t 0-8-50",
            "init_t 0-8-50 reaches 50, but the grid's last step is 49",
            "keep every start below --steps 50",
        ),
        (
            "--init-t 0-8 --cores 4",
            "init_t 0-8 has 2 starts, but cores is 4",
            "use --cores 2, or leave out --cores or --init-t",
        ),
        (
            "--init-t 0-8-x",
            "init_t '0-8-x' is not a list of whole numbers joined by dashes",
            JOINED,
        ),
        ("--init-t 0,8", "init_t '0,8' is not a list of whole numbers joined by dashes", JOINED),
        ("--init-t 0--8", "init_t '0--8' is not a list of whole numbers joined by dashes", JOINED),
        (
            "--init-t 0-8.5",
            "init_t '0-8.5' is not a list of whole numbers joined by dashes",
            JOINED,
        ),
        (
            "--algo sequential --cores 2",
            "cores is 2, but algo sequential runs on 1 core",
            "use --algo wavefront, or --cores 1",
        ),
        (
            "--algo sequential --init-t 0-8",
            "init_t 0-8 is set, but algo sequential has no starts",
            "use --algo chords, or leave out --init-t",
        ),
        (
            "--stop-index 5",
            "stop_index is 5, but 4 cores make outputs 0 to 4",
            "try --stop-index 1",
        ),
        (
            "--stop-index -1",
            "stop_index is -1, but 4 cores make outputs 0 to 4",
            "try --stop-index 1",
        ),
        (
            "--model demo-imag",
            "unknown model 'demo-imag'",
            "did you mean demo-image? `chords presets` lists all; a file name ends in .yaml",
        ),
    ],
)
def test_plan_says_what_is_wrong_and_what_to_type(chords, arguments, message, hint):
    answer = chords("plan", *arguments.split())
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: {message}\nhint: {hint}\n"


def test_empty_starts_are_no_plan(chords):
    answer = chords("plan", "--init-t", "")
    assert answer.code == 2
    assert answer.err.startswith("error: init_t '' is not a list of whole numbers")


def test_a_dry_run_with_a_residual_says_what_is_the_latest(chords):
    shared = ("--devices", "cpu", "--cores", "4")
    answer = chords("image", "a cat", *shared, "--stop-residual", "0.1", "--dry-run")
    assert "rounds    at most 50 instead of 50 (to output 4 at the latest)" in answer.out
    told = "at the first output that differs less than 0.1 from the one before it, or at the last"
    assert told in answer.out


def test_plan_tells_the_rule_for_rounds_and_what_was_measured(chords):
    told = chords("plan", "--steps", "28", "--cores", "4", "--guidance", "4").out
    assert "usual     12 rounds for 28 steps, 4 cores, guidance 4\n" in told
    assert "error     median " in told
    document = chords("plan", "--steps", "28", "--cores", "4", "--json").document
    assert document["guidance"] == 3.5
    assert set(document["expected_error"]) == {"median", "most"}


@pytest.mark.parametrize("guidance", ["-1", "nan", "inf"])
def test_a_guidance_that_no_run_takes_is_refused(chords, guidance):
    answer = chords("plan", "--guidance", guidance)
    error, hint = answer.err.splitlines()
    assert answer.code == 2
    assert error == f"error: guidance is {guidance}, but must be finite and 0 or more"
    assert hint == "hint: try --guidance 3.5"


def test_a_guidance_that_the_model_is_told_counts_as_one_call(chords):
    told = chords("plan", "--model", "flux", "--steps", "28", "--guidance", "7").out
    assert "28 steps, 8 cores, guidance 1\n          (one model call a step)" in told


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (("--steps", "8"), "note: 8 steps cannot be shared between cores"),
        (("--steps", "28", "--rounds", "6"), "note: 6 rounds are few for 28 steps"),
        (("--cores", "1", "--speedup", "2"), "note: 1 core evaluates 25 of 50 steps"),
    ],
)
def test_plan_tells_what_to_know_before_it_runs(arguments, note, chords):
    assert note in chords("plan", *arguments).out


def test_layouts_are_listed_the_best_first_with_rounds_speed_up_and_error(chords):
    answer = chords("plan", "--devices", "8", "--model", "wan2-1")
    assert (answer.code, answer.err) == (0, "")
    title, _, _, _, best, *_ = answer.out.splitlines()
    assert title == "wan2-1: 1 picture of 50 steps at guidance 5 on 8 devices"
    assert " ".join(best.split()) == "1 1 x 2 x 4 8 24 9.64x 0.0058 fast link"
    assert "context: tokens shared, assumed to be 1.5x on 2" in answer.out
    assert "fast link: what a run without --cores chooses where NVLink joins" in answer.out
    assert "slow link: what it chooses elsewhere" in answer.out
    other = next(line for line in answer.out.splitlines() if "slow link" in line)
    assert " ".join(other.split()) == "1 4 x 2 8 17 5.44x 0.0027 slow link"


def test_no_number_of_a_layout_is_broken_in_a_narrow_terminal(chords, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    _, _, titles, _, *rows = chords("plan", "--devices", "8", "--model", "flux").out.splitlines()
    assert titles.split() == ["cores", "context", "devices", "rounds", "speed-up", "error"]
    assert "2      x 4        8      13     9.62x  0.0021  fast link" in rows[0]


def test_layouts_of_many_pictures_are_exact_and_machine_readable(chords):
    listed = json.loads(chords("plan", "--devices", "8", "--num", "16", "--json").out)
    assert (listed["devices"], listed["pictures"], listed["gains"]["measured"]) == (8, 16, [])
    best = listed["layouts"][0]
    assert (best["groups"], best["cores"], best["exact"], best["speedup"]) == (8, 1, True, 8.0)
    speeds = [layout["speedup"] for layout in listed["layouts"]]
    assert speeds == sorted(speeds, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--devices", "8", "--cores", "2"],
            "error: --devices lists layouts, and cores is 2 in all of them\n"
            "hint: leave out --devices or --cores 2\n",
        ),
        (
            ["--exact", "--cores", "2"],
            "error: layouts are for 1 to 256 devices and 1 to 100000 pictures, but devices is not "
            "given and num is 1\n"
            "hint: give --devices 8, and --num 16 if there are several pictures\n",
        ),
        (
            ["--num", "4"],
            "error: layouts are for 1 to 256 devices and 1 to 100000 pictures, but devices is not "
            "given and num is 4\n"
            "hint: give --devices 8, and --num 16 if there are several pictures\n",
        ),
        (
            ["--devices", "0"],
            "error: layouts are for 1 to 256 devices and 1 to 100000 pictures, but devices is 0 "
            "and num is 1\n"
            "hint: give --devices 8, and --num 16 if there are several pictures\n",
        ),
        (
            ["--devices", "4", "--num", "0"],
            "error: layouts are for 1 to 256 devices and 1 to 100000 pictures, but devices is 4 "
            "and num is 0\n"
            "hint: give --devices 8, and --num 16 if there are several pictures\n",
        ),
        (
            ["--devices", "4", "--steps", "0"],
            "error: steps is 0, but a grid has at least 1 step\nhint: try --steps 50\n",
        ),
    ],
)
def test_layouts_of_nothing_or_of_given_cores_are_refused(chords, arguments, told):
    answer = chords("plan", *arguments)
    assert (answer.code, answer.err) == (2, told)
