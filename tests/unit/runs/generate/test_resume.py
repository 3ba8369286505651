import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chords_cli.cli.options import as_option
from chords_cli.engine.messages import Latent
from chords_cli.engine.pool import Sampled, SampledOutput
from chords_cli.errors import UsageError
from chords_cli.events import OutputSaved
from chords_cli.media.metadata import read_metadata
from chords_cli.records.run import RunSeconds
from chords_cli.runs.generate import run
from chords_cli.runs.generate.record import (
    RECORD,
    append_to_journal,
    run_record,
    sample_record,
    write_record,
)
from chords_cli.runs.generate.resume import fill_from_record, look_back
from chords_cli.runs.outputs.saving import OutputSaver, planned_names
from chords_cli.runs.settings.from_metadata import read_recipe
from chords_cli.runs.settings.options.request import Request


@pytest.fixture
def resolved(resolved):
    """The settings of a request that says these options, for four cores."""
    return lambda **options: resolved(**({"cores": 4} | options))


def outputs(settings):
    """The outputs of a sample as the engine would hand them out, all decoded."""
    residuals = [None if hit.index == 0 else 1 / 2**hit.index for hit in settings.plan.hits]
    last = len(residuals) - 1
    chosen = next(i for i, r in enumerate(residuals) if settings.stop.accepts(i, r, last))
    return [
        SampledOutput(
            index=hit.index,
            core=hit.core,
            round=hit.round,
            residual=residuals[hit.index],
            seconds=hit.round / 10,
            chosen=hit.index == chosen,
            latent=Latent("float32", (1,), b"\0" * 4),
            frames=np.full((1, 64, 96, 3), hit.index, np.uint8),
            decode_seconds=0.1,
        )
        for hit in settings.plan.hits
    ]


def save(settings, sample, order=None):
    """Saves a sample's outputs, in another order than theirs if so wanted; returns its record."""
    settings.output.mkdir(exist_ok=True)
    events, made = [], outputs(settings)
    saver = OutputSaver(settings, sample, events.append, replace=False)
    chosen = next(output.index for output in made if output.chosen)
    wanted = made if settings.all_cores else [made[chosen]]
    for output in order(wanted) if order else wanted:
        saver.save(output)
    assert all(isinstance(event, OutputSaved) for event in events)
    sampled = Sampled(
        outputs=tuple(made),
        chosen=chosen,
        encode_seconds=0.1,
        sample_seconds=0.2,
        decode_seconds=0.3,
        peak_memory=((None, 1),) * settings.plan.cores,
    )
    return sample_record(sample, sampled, saver.files, 0.6)


def finish(settings, number, record=True):
    """Does the first `number` samples of a run."""
    made = [save(settings, sample) for sample in settings.samples[:number]]
    if record:
        write_record(settings.output, run_record(settings, made))


def refusal(settings):
    with pytest.raises(UsageError) as caught:
        look_back(settings)
    return caught.value.spelled(as_option)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_result_alone_is_written_under_the_samples_name(resolved):
    settings = resolved()
    entry = save(settings, settings.samples[0])
    assert names(settings.output) == ["0001-a-cat-s42.png"]
    assert entry.output == "0001-a-cat-s42.png"
    assert [output.path for output in entry.outputs] == [None, "0001-a-cat-s42.png"]


def test_every_output_is_kept_beside_the_result_with_its_latent(resolved):
    settings = resolved(cores=2, all_cores=True, save_latents=True)
    save(settings, settings.samples[0])
    expected = ["0001-a-cat-s42", "0001-a-cat-s42-output0-core1", "0001-a-cat-s42-output2-core0"]
    found = sorted(path.stem for path in settings.output.glob("*.png"))
    assert found == expected
    assert sorted(path.stem for path in settings.output.glob("*.safetensors")) == expected
    assert sorted(planned_names(settings, settings.samples[0])) == names(settings.output)


def test_a_residual_rule_names_the_result_whatever_order_decoding_ends_in(resolved):
    settings = resolved(cores=3, all_cores=True, stop_residual=0.3)
    entry = save(settings, settings.samples[0], order=reversed)
    picture = settings.output / entry.output
    assert entry.output == "0001-a-cat-s42.png"
    assert read_metadata(picture)["output"] == {
        "index": 2,
        "core": 1,
        "round": entry.rounds,
        "residual": 0.25,
    }
    assert set(names(settings.output)) < set(planned_names(settings, settings.samples[0]))


def test_no_metadata_leaves_no_text_in_picture_and_latent(resolved):
    settings = resolved(metadata=False, save_latents=True)
    save(settings, settings.samples[0])
    for path in settings.output.iterdir():
        assert b"cat" not in path.read_bytes()


def test_a_picture_carries_no_path_of_this_machine(resolved, tmp_path):
    settings = resolved(save_latents=True)
    save(settings, settings.samples[0])
    for path in settings.output.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()


def test_nothing_is_done_in_a_folder_that_is_not_there(resolved):
    earlier = look_back(resolved(resume=True))
    assert (earlier.done, earlier.others) == ({}, [])


def test_resume_finds_what_the_record_says_is_done(resolved):
    finish(resolved(), 1)
    earlier = look_back(resolved(resume=True))
    assert {n: entry.output for n, entry in earlier.done.items()} == {1: "0001-a-cat-s42.png"}
    assert earlier.done[1].seconds.total == 0.6


def test_resume_finds_a_picture_by_its_metadata_when_the_record_is_lost(resolved):
    finish(resolved(), 1, record=False)
    earlier = look_back(resolved(resume=True))
    assert earlier.done[1].output == "0001-a-cat-s42.png"
    assert earlier.done[1].outputs[0].index == 1


def in_schema_1(path):
    """Writes a record as version 0.1.0 first did."""
    record = json.loads(path.read_text())
    record["schema"] = 1
    record["settings"]["rounds"] = record["settings"].pop("planned_rounds")
    path.write_text(json.dumps(record))


def test_resume_reads_a_record_of_schema_1_and_writes_schema_2(resolved):
    finish(resolved(), 1)
    path = resolved().output / "run.json"
    in_schema_1(path)
    earlier = look_back(resolved(resume=True))
    assert [made.output for made in earlier.done.values()] == ["0001-a-cat-s42.png"]
    assert refusal(resolved(resume=True, rounds=20))[0] == (
        f"{resolved().output} was made with other settings: rounds was 11, is 20"
    )
    write_record(resolved().output, run_record(resolved(), list(earlier.done.values())))
    record = json.loads(path.read_text())
    assert (record["schema"], record["settings"]["planned_rounds"]) == (2, 11)
    assert "rounds" not in record["settings"]


def killed(settings, torn):
    """Leaves what a run leaves that is killed after its second sample, or amid writing it down."""
    made = [save(settings, sample) for sample in settings.samples[:2]]
    write_record(settings.output, run_record(settings, made[:1]))
    append_to_journal(settings.output, made[1])
    journal = settings.output / "run.jsonl"
    if torn:
        journal.write_bytes(journal.read_bytes()[:-9])
    return made


def test_resume_reads_the_journal_of_a_run_that_was_killed(resolved):
    made = killed(resolved(), torn=False)
    earlier = look_back(resolved(resume=True))
    assert earlier.done == {1: made[0], 2: made[1]}
    write_record(resolved().output, run_record(resolved(), made))
    assert "run.jsonl" not in names(resolved().output)
    assert look_back(resolved(resume=True)).done == earlier.done


def test_resume_leaves_out_a_line_of_the_journal_that_was_cut_short(resolved):
    made = killed(resolved(), torn=True)
    earlier = look_back(resolved(resume=True))
    assert earlier.done[1] == made[0]
    assert earlier.done[2].seconds.total == 0.0  # found by the picture's metadata alone


def test_a_journal_is_in_the_way_of_another_run(resolved):
    killed(resolved(), torn=False)
    assert refusal(resolved())[0] == f"{resolved().output / 'run.json'} and 3 more exist already"


def test_resume_keeps_the_entries_of_samples_that_are_not_asked_for_again(resolved):
    finish(resolved(), 2)
    earlier = look_back(resolved(resume=True, prompts=("a dog", "a bird")))
    assert [entry.prompt for entry in earlier.others] == ["a cat"]
    assert [entry.prompt for entry in earlier.done.values()] == ["a dog"]


def test_resume_makes_a_sample_again_whose_picture_is_gone(resolved):
    finish(resolved(), 2)
    (resolved().output / "0001-a-cat-s42.png").unlink()
    assert list(look_back(resolved(resume=True)).done) == [2]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_resume_does_not_take_the_beginning_of_a_picture_for_a_picture(resolved, share):
    finish(resolved(), 2)
    path = resolved().output / "0001-a-cat-s42.png"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert list(look_back(resolved(resume=True)).done) == [2]


def test_resume_believes_the_record_until_a_file_is_cut_off(resolved):
    finish(resolved(), 2)
    path = resolved().output / "0001-a-cat-s42.png"
    Image.new("RGB", (8, 8)).save(path)
    assert list(look_back(resolved(resume=True)).done) == [1, 2]  # the record counts
    path.write_bytes(path.read_bytes()[:-1])
    assert list(look_back(resolved(resume=True)).done) == [2]


def test_resume_makes_a_sample_again_when_more_of_it_is_wanted(resolved):
    finish(resolved(), 2)
    assert look_back(resolved(resume=True, save_latents=True)).done == {}
    assert look_back(resolved(resume=True, all_cores=True)).done == {}


def test_resume_replaces_the_files_of_a_sample_that_was_cut_short(resolved):
    settings = resolved(all_cores=True)
    finish(settings, 1, record=False)
    (settings.output / "0001-a-cat-s42.png").unlink()
    assert look_back(resolved(all_cores=True, resume=True)).done == {}


def test_resume_refuses_other_settings_and_says_which(resolved):
    finish(resolved(), 1)
    folder = resolved().output
    assert refusal(resolved(resume=True, guidance=4.0)) == (
        f"{folder} was made with other settings: call.guidance_scale was 3.5, is 4.0",
        "choose another --output, or give --overwrite in place of --resume to make all again",
    )
    assert refusal(resolved(resume=True, steps=20))[0] == (
        f"{folder} was made with other settings: steps was 50, is 20, and 2 more"
    )


@pytest.mark.parametrize(
    ("then", "now", "added"),
    [
        ({"cores": 2}, {}, "--cores 2 --rounds 16"),
        ({"cores": 2, "guidance_split": True}, {"cores": 2}, "--guidance-split"),
        ({"cores": 1, "rounds": 20, "guidance_split": True}, {"cores": 1}, "--rounds 20 "),
        ({"cores": 2}, {"cores": 2, "guidance_split": True}, "--no-guidance-split"),
        ({"cores": 1}, {}, "--algo sequential"),
        ({"algo": "chords"}, {}, "--algo chords"),
        ({"steps": 20}, {}, "--steps 20"),
    ],
)
def test_resume_says_all_options_with_which_it_goes_on(resolved, preset_file, then, now, added):
    text = preset_file.read_text().replace("guidance_scale: 3.5", "true_cfg_scale: 4.0")
    preset_file.write_text(text)
    finish(resolved(**then), 1)
    hint = refusal(resolved(**now, resume=True))[1]
    assert hint.startswith(f"add {added}"), hint
    assert " to go on, or choose another --output" in hint


def test_resume_refuses_a_folder_whose_setting_is_gone_from_the_preset(resolved, preset_file):
    text = preset_file.read_text()
    preset_file.write_text(text + "components: {vae: {tiling: true}}\n")
    finish(resolved(), 1)
    preset_file.write_text(text)
    assert refusal(resolved(resume=True))[0] == (
        f"{resolved().output} was made with other settings: "
        "model.components.vae.tiling was True, is None"
    )


def test_resume_shows_braces_in_what_differs_as_they_are(resolved, lora):
    braces = lora.replace("ink", "{output}")
    Path(lora).rename(braces)
    finish(resolved(loras=((braces, 0.5),)), 1)
    assert braces in refusal(resolved(resume=True))[0]


@pytest.mark.parametrize("record", [True, False])
def test_resume_refuses_what_was_made_with_a_lora_that_is_gone(resolved, lora, record):
    settings = resolved(loras=((lora, 0.5),))
    finish(settings, 1, record=record)
    folder = settings.output
    loras = f"[{{'source': '{lora}', 'scale': 0.5}}]"
    assert refusal(resolved(resume=True))[0] == (
        f"{folder} was made with other settings: loras was {loras}, is None"
        if record
        else f"{folder / '0001-a-cat-s42.png'} exists already, made with other settings or by "
        "something else"
    )


def test_overwrite_makes_all_again_whatever_the_folder_holds(resolved):
    finish(resolved(), 2)
    earlier = look_back(resolved(overwrite=True, steps=20))
    assert (earlier.done, earlier.others) == ({}, [])


def test_resume_without_prompts_takes_those_of_the_folder_with_their_seeds(resolved):
    settings = resolved(prompts=("a fox", "a hen"), seed=7, num=2)
    finish(settings, 1)
    asked = Request(kind="image", output=settings.output, resume=True)
    again = fill_from_record(asked)
    assert (again.prompts, again.seed, again.num) == (("a fox", "a hen"), 7, 2)
    other = fill_from_record(replace(asked, seed=3))
    assert (other.prompts, other.seed) == (("a fox", "a hen"), 3)
    assert [fill_from_record(replace(asked, num=num)).num for num in (1, 3)] == [1, 3]
    given = replace(asked, prompts=("a cow",))
    assert fill_from_record(given) is given


def test_resume_of_an_older_record_takes_the_prompts_that_were_done(resolved):
    settings = resolved(prompts=("a fox", "a hen"))
    finish(settings, 1)
    path = settings.output / RECORD
    record = json.loads(path.read_text())
    del record["settings"]["prompts"]
    path.write_text(json.dumps(record))
    asked = Request(kind="image", output=settings.output, resume=True)
    assert fill_from_record(asked).prompts == ("a fox",)


def test_a_folder_that_is_taken_is_refused_before_anything_is_resolved(resolved, monkeypatch):
    settings = resolved()
    finish(settings, 1)
    monkeypatch.setattr(run, "resolve", lambda *_, **__: pytest.fail("resolved"))
    with pytest.raises(UsageError, match=r"run\.json exists already"):
        run.prepare(Request(kind="image", output=settings.output))


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_is_a_file_is_refused_before_anything_is_resolved(
    tmp_path, monkeypatch, overwrite
):
    monkeypatch.setattr(run, "resolve", lambda *_, **__: pytest.fail("resolved"))
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"mine\.txt is a file"):
        run.prepare(Request(kind="image", output=tmp_path / "mine.txt", overwrite=overwrite))


def test_resume_leaves_a_file_alone_that_is_not_of_the_same_sample(resolved):
    folder = resolved().output
    folder.mkdir()
    (folder / "0001-a-cat-s42.png").write_text("mine")
    assert refusal(resolved(resume=True)) == (
        f"{folder / '0001-a-cat-s42.png'} exists already, made with other settings or by something "
        "else",
        "choose another --output, or --overwrite to replace it",
    )


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        '{"schema": 1, "settings": {}, "prompts": null}',
        '{"schema": 1, "settings": {}, "prompts": [{"prompt": "a cat"}]}',
    ],
)
def test_resume_refuses_a_record_that_is_not_ours(record, resolved):
    folder = resolved().output
    folder.mkdir()
    (folder / "run.json").write_text(record)
    assert refusal(resolved(resume=True)) == (
        f"{folder / 'run.json'} is not a record of chords",
        "choose another --output, or remove that file",
    )


def test_a_second_run_into_the_same_folder_is_refused(resolved):
    finish(resolved(), 2)
    folder = resolved().output
    assert refusal(resolved())[0] == f"{folder / 'run.json'} and 2 more exist already"
    assert refusal(resolved(prompts=("a bird",)))[0] == f"{folder / 'run.json'} exists already"


def test_a_second_run_with_overwrite_begins_anew(resolved):
    finish(resolved(), 2)
    assert look_back(resolved(overwrite=True)).done == {}


def test_the_record_says_what_was_run_and_what_came_out(resolved):
    settings = resolved(prompts=("a cat",))
    entry = save(settings, settings.samples[0])
    record = run_record(
        settings, [entry], components=[["vae"]], seconds=RunSeconds(total=1.0)
    ).document()
    assert json.loads(json.dumps(record)) == record
    assert record["plan"] == {
        "steps": 50,
        "init_t": [],
        "planned_rounds": 11,
        "guidance": 1.0,
        "rounds": 11,
        "speedup": 4.55,
        "nfe_total": 41,
        "nfe_run": 44,
    }
    head = ("schema", "command", "preset", "algo", "cores", "stop", "dtype", "repo", "revision")
    assert [record[key] for key in head] == [
        2,
        "image",
        "toy",
        "wavefront",
        4,
        {"criterion": "core_index", "index": 1},
        "float32",
        None,
        None,
    ]
    assert record["prompts"][0]["outputs"][1] == {
        "index": 1,
        "core": 3,
        "round": 11,
        "residual": 0.5,
        "seconds": 1.1,
        "path": "0001-a-cat-s42.png",
        "latent": None,
        "extra": [],
    }
    assert set(record["environment"]) >= {"torch", "diffusers", "transformers", "chords", "python"}


def test_a_recipe_is_read_back_from_a_saved_picture(resolved):
    settings = resolved()
    entry = save(settings, settings.samples[0])
    recipe = read_recipe(settings.output / entry.output)
    assert (recipe.prompt, recipe.seed, recipe.planned_rounds) == ("a cat", 42, 11)
