"""What is said after a run."""

from chords_cli.ui.views.summary import paths, summary


def record(*devices: str, results: int = 1) -> dict:
    """As much of a record as a summary reads."""
    entry = {"rounds": 21, "seconds": {"encode": 0.1, "sample": 2.5, "decode": 0.2, "total": 2.8}}
    return {
        "command": "image",
        "plan": {"steps": 50, "speedup": 2.38},
        "stop": {"criterion": "core_index", "index": 1},
        "devices": list(devices),
        "settings": {"output": "outputs/x"},
        "prompts": [{**entry, "output": f"{n}.png"} for n in range(results)],
        "seconds": {"start": 1.0, "load": 3.25, "total": 12.34},
    }


def test_summary_tells_measured_times():
    assert summary(record("cuda:0", "cuda:1")).plain.splitlines() == [
        "1 image in 12.3 s (start 1.00 s, load 3.25 s)",
        "21 rounds instead of 50 steps: encoding 0.10 s, sampling 2.50 s, decoding 0.20 s",
    ]


def test_summary_warns_when_cores_share_a_device():
    assert summary(record("cpu", "cpu", results=2)).plain.splitlines()[-1] == (
        "2 cores share cpu: in seconds this is not the 2.38x of cores that have a GPU each"
    )


def test_summary_speaks_of_the_output_that_became_the_result():
    told = record("cpu", "cpu")
    told["plan"]["speedup"] = 1.0  # at the latest, with a residual rule
    assert "not the 2.38x of cores" in summary(told).plain


def test_summary_of_one_core_on_the_cpu_has_nothing_to_warn_of():
    assert "share" not in summary(record("cpu")).plain


def test_summary_of_a_result_that_came_no_sooner_does_not_speak_of_a_speedup():
    told = record("cpu", "cpu")
    told["prompts"][0]["rounds"] = 50
    assert "share" not in summary(told).plain


def by_residual(*residuals: float | None) -> dict:
    """A record of runs that should end below 0.01, by the residuals of their results."""
    told = record("cuda:0", "cuda:1", results=len(residuals))
    told["stop"] = {"criterion": "residual", "residual": 0.01}
    for entry, residual in zip(told["prompts"], residuals, strict=True):
        entry["outputs"] = [
            {"path": None, "residual": 0.5},
            {"path": entry["output"], "residual": residual},
        ]
    return told


def test_summary_says_when_no_residual_was_small_enough():
    last = "the result is the last output, core 0's"
    told = summary(by_residual(0.02)).plain.splitlines()[-1]
    assert told == f"no residual was below 0.01: {last}"
    told = summary(by_residual(0.02, 0.001, None)).plain.splitlines()[-1]
    assert told == f"no residual was below 0.01 for 2 of 3 images: {last}"
    assert "no residual" not in summary(by_residual(0.001)).plain


def test_paths_are_usable_from_here():
    assert paths(record("cpu", results=2)) == ["outputs/x/0.png", "outputs/x/1.png"]


def test_summary_of_a_run_that_had_nothing_left_to_do_says_so():
    done = {**record("cpu", "cpu", results=2), "seconds": {"start": 0.0, "load": 0.0, "total": 0.1}}
    assert summary(done).plain == "2 images made before, nothing left to do"
