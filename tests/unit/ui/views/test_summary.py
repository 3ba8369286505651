"""What is said after a run."""

from typing import Any

from chords_cli.records.run import RunRecord
from chords_cli.ui.views.summary import paths, summary


def record(*devices: str, results: int = 1, rounds: int = 21, **changes: Any) -> RunRecord:
    """The record of a run of 50 steps; `changes` replace parts of the document."""
    settings = {
        "model": {},
        "dtype": "float32",
        "algo": "chords",
        "cores": len(devices),
        "steps": 50,
        "init_t": [0],
        "stop": {"criterion": "core_index", "index": 1},
        "device": "cpu",
        "call": {"num_inference_steps": 50},
        "seed": 1,
        "num": results,
        "gif": False,
        "output": "outputs/x",
        **dict.fromkeys(("all_cores", "save_latents", "metadata", "resume", "overwrite"), False),
        "timeout": 600.0,
    }
    seconds = {"encode": 0.1, "sample": 2.5, "decode": 0.2, "total": 2.8}
    made = {"prompt": "a cat", "seed": 1, "rounds": rounds, "seconds": seconds}
    speeds = {"rounds": 21, "speedup": 2.38, "nfe_total": 60, "nfe_run": 60}
    document = {
        "schema": 2,
        "command": "image",
        "version": "0.1.0",
        **dict.fromkeys(("repo", "path", "revision")),
        "preset": "demo",
        "algo": "chords",
        "cores": len(devices),
        "plan": {"steps": 50, "init_t": [0], **speeds},
        "stop": settings["stop"],
        "devices": devices,
        "dtype": "float32",
        "settings": settings,
        "prompts": [{**made, "output": f"{n}.png"} for n in range(results)],
        "seconds": {"start": 1.0, "load": 3.25, "total": 12.34},
        "environment": {},
    }
    return RunRecord.read(document | changes)


def test_summary_tells_measured_times():
    assert summary(record("cuda:0", "cuda:1")).plain.splitlines() == [
        "1 image in 12.3 s (start 1.00 s, load 3.25 s)",
        "21 rounds instead of 50 steps: encoding 0.10 s, sampling 2.50 s, decoding 0.20 s",
    ]


def test_summary_of_several_results_speaks_of_the_last():
    told = summary(record("cuda:0", "cuda:1", results=2)).plain.splitlines()[1]
    assert told.startswith("the last: 21 rounds instead of 50 steps: ")


def test_summary_tells_what_was_made_before_from_what_is_made_now():
    told = summary(record("cuda:0", "cuda:1", results=3), before=2).plain.splitlines()[0]
    assert told == "1 image in 12.3 s (start 1.00 s, load 3.25 s); 2 made before"


def test_summary_of_a_decoded_latent_compares_no_rounds_and_no_devices():
    told = record("cpu", "cpu").document()
    told["prompts"][0]["seconds"] = {"decode": 0.2, "total": 0.3}
    assert summary(RunRecord.read(told)).plain.splitlines() == [
        "1 image in 12.3 s (start 1.00 s, load 3.25 s)",
        "decoding 0.20 s; nothing was sampled",
    ]


def test_summary_of_every_step_compares_nothing():
    every = {"steps": 50, "init_t": [0], "rounds": 50, "speedup": 1.0}
    told = summary(record("cpu", plan={**every, "nfe_total": 50, "nfe_run": 50}, rounds=50))
    assert told.plain.splitlines()[1].startswith("50 rounds, one for each step: encoding ")


def test_summary_warns_when_cores_share_a_device():
    assert summary(record("cpu", "cpu", results=2)).plain.splitlines()[-1] == (
        "2 cores share cpu: in seconds this is not the 2.38x of cores that have a GPU each"
    )


def test_summary_speaks_of_the_output_that_became_the_result():
    late = {"steps": 50, "init_t": [0], "rounds": 50, "speedup": 1.0}  # with a residual rule
    told = record("cpu", "cpu", plan={**late, "nfe_total": 100, "nfe_run": 100})
    assert "not the 2.38x of cores" in summary(told).plain


def test_summary_of_one_core_on_the_cpu_has_nothing_to_warn_of():
    assert "share" not in summary(record("cpu")).plain


def test_summary_of_a_result_that_came_no_sooner_does_not_speak_of_a_speedup():
    assert "share" not in summary(record("cpu", "cpu", rounds=50)).plain


def by_residual(*residuals: float | None) -> RunRecord:
    """A record of runs that should end below 0.01, by the residuals of their results."""
    samples = [
        {
            "prompt": "a cat",
            "seed": number,
            "output": f"{number}.png",
            "rounds": 21,
            "outputs": [
                {"index": 1, "path": None, "residual": 0.5},
                {"index": 2, "path": f"{number}.png", "residual": residual},
            ],
        }
        for number, residual in enumerate(residuals)
    ]
    stop = {"criterion": "residual", "residual": 0.01}
    return record("cuda:0", "cuda:1", stop=stop, prompts=samples)


def test_summary_says_when_no_residual_was_small_enough():
    none = "no output differed less than 0.01 from the one before it"
    last = "the result is the last, core 0's"
    told = summary(by_residual(0.02)).plain.splitlines()[-1]
    assert told == f"{none}: {last}"
    told = summary(by_residual(0.02, 0.001, None)).plain.splitlines()[-1]
    assert told == f"{none} for 2 of 3 images: {last}"
    assert none not in summary(by_residual(0.001)).plain


def test_paths_are_usable_from_here():
    assert paths(record("cpu", results=2)) == ["outputs/x/0.png", "outputs/x/1.png"]


def test_summary_of_a_run_that_had_nothing_left_to_do_says_so():
    seconds = {"start": 0.0, "load": 0.0, "total": 0.1}
    done = record("cpu", "cpu", results=2, seconds=seconds)
    assert summary(done).plain == "2 images made before, nothing left to do"
