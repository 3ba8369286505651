"""When devices are laid out by themselves, and what a request, a preset and a machine allow."""

from dataclasses import replace

import pytest

from chords_cli.engine import devices
from chords_cli.errors import UsageError
from chords_cli.runs.outputs.recipe import pixels
from chords_cli.runs.settings import resolve as resolve_module
from chords_cli.runs.settings.layouts import laying_out
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve

DEVICES = tuple(f"cuda:{number}" for number in range(8))
EIGHT = ",".join(DEVICES)


@pytest.fixture(autouse=True)
def _eight_gpus(four_gpus, monkeypatch):
    monkeypatch.setattr(devices, "available_devices", lambda: DEVICES)


@pytest.fixture
def guided(preset_file):
    """The toy preset with a model that is called twice a step."""
    text = preset_file.read_text().replace("guidance_scale: 3.5", "true_cfg_scale: 4.0")
    preset_file.write_text(text)
    return preset_file


def laid_out(settings):
    """Groups x cores x split x context, and the rounds."""
    shape = (settings.groups, settings.plan.cores, settings.guidance_split, settings.context)
    return shape, settings.plan.planned_rounds


def test_one_picture_gets_all_devices_that_make_it_sooner(resolved, guided):
    settings = resolved(devices="cuda:0,cuda:1", prompts=("a fox",))
    assert laid_out(settings) == ((1, 1, True, 1), 21)
    assert settings.devices == ("cuda:0", "cuda:1")
    assert settings.note.startswith(
        "2 devices: 1 core x 2 (guidance split), 21 rounds of 50, ideally 4.4x, expected error "
        "0.0086; --exact makes what the stock pipeline makes\n"
    )
    four = resolved(devices="cuda:0,cuda:1,cuda:2,cuda:3", prompts=("a fox",))
    assert laid_out(four) == ((1, 2, True, 1), 16)


def test_many_pictures_are_made_one_a_device_by_the_stock_sampler(resolved, guided):
    settings = resolved(devices=EIGHT, prompts=("a fox",), num=100)
    assert laid_out(settings) == ((8, 1, False, 1), None)
    assert settings.plan.algo == "sequential"
    assert settings.devices == tuple(EIGHT.split(","))
    assert settings.note == (
        "8 devices: 8 pictures at a time, 1 core each, all 50 steps, ideally 7.69x"
    )
    assert settings.demand.encoding == range(8)
    assert settings.demand.decoding == frozenset(range(8))


def test_exact_allows_only_what_the_stock_pipeline_makes(resolved, guided, refused):
    settings = resolved(devices="cuda:0,cuda:1,cuda:2,cuda:3", prompts=("a fox",), exact=True)
    assert laid_out(settings) == ((1, 1, True, 1), None)
    assert "2 devices free" in settings.note
    assert "--exact" not in settings.note
    assert refused(exact=True, cores=2) == (
        "--exact chooses itself how pictures are made, but cores is 2",
        "leave out --exact or --cores 2; --stop-index 2 waits for core 0's output",
    )
    assert refused(exact=True, stop_index=1) == (
        "--exact chooses itself how pictures are made, but stop_index is 1",
        "leave out --exact or --stop-index 1",
    )


def test_exact_is_kept_where_members_have_to_share_a_device(resolved, guided):
    plan = guided.read_text().replace("sampling: {cores: 4}", "sampling: {cores: 1, rounds: 20}")
    guided.write_text(plan)
    for more in ({"guidance_split": True}, {}):
        settings = resolved(devices="cuda:0", prompts=("a fox",), exact=True, **more)
        assert settings.plan.algo == "sequential"
        assert settings.guidance_split == bool(more)


@pytest.mark.parametrize(
    "options",
    [{"cores": 3}, {"rounds": 20}, {"speedup": 3.0}, {"algo": "wavefront"}, {"all_cores": True}],
)
def test_who_says_how_a_picture_is_made_is_taken_at_his_word(resolved, guided, options):
    assert resolved(devices=EIGHT, **options).layout is None


@pytest.mark.parametrize(
    "sampling", ["sampling: {cores: 2, rounds: 15}\n", "sampling: {algo: chords}\n"]
)
def test_a_preset_with_a_plan_of_its_own_keeps_it(resolved, preset_file, sampling):
    kept = [line for line in preset_file.read_text().splitlines() if "sampling" not in line]
    preset_file.write_text("\n".join(kept) + "\n" + sampling)
    assert resolved(devices=EIGHT).layout is None


def test_a_preset_of_one_core_is_exact_and_uses_all_devices_for_many_pictures(
    resolved, preset_file
):
    kept = [line for line in preset_file.read_text().splitlines() if "sampling" not in line]
    preset_file.write_text("\n".join(kept) + "\nsampling: {cores: 1}\n")
    settings = resolved(devices=EIGHT, prompts=("a fox",), num=100)
    assert laid_out(settings) == ((8, 1, False, 1), None)
    assert resolved(devices=EIGHT, prompts=("a fox",)).plan.algo == "sequential"


def test_tokens_are_shared_over_fast_links_or_by_measured_gains(
    resolved, guided, monkeypatch, tmp_path
):
    monkeypatch.setattr(laying_out, "have_fast_links", lambda devices: True)
    assert laid_out(resolved(devices=EIGHT, prompts=("a",)))[0] == (1, 1, True, 4)
    monkeypatch.setattr(laying_out, "have_fast_links", lambda devices: False)
    assert laid_out(resolved(devices=EIGHT, prompts=("a",)))[0] == (1, 4, True, 1)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    gains = tmp_path / "config" / "chords" / "gains.yaml"
    gains.parent.mkdir(parents=True)
    gains.write_text("split: 1.9\ncontext: {2: 1.7}\n")
    assert laid_out(resolved(devices="cuda:0,cuda:1,cuda:2,cuda:3", prompts=("a",)))[0] == (
        *(1, 1, True),
        2,
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("split: fast\n", "split cannot be used: input should be a valid number"),
        ("context: {1: 1.5}\n", "context.1.[key] cannot be used: input should be greater than or"),
        ("- 1\n", "its list or text cannot be used: input should be a valid dictionary"),
        ("links: 2\n", "links cannot be used: extra inputs are not permitted"),
    ],
)
def test_gains_that_are_none_are_refused_by_name(refused, monkeypatch, tmp_path, text, what):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    gains = tmp_path / "config" / "chords" / "gains.yaml"
    gains.parent.mkdir(parents=True)
    gains.write_text(text)
    message, hint = refused(devices=EIGHT)
    assert message.startswith(f"{gains}: {what}")
    assert "measuredgains" not in message
    assert hint.startswith("write it like `split: 1.8`")


def test_a_gains_file_with_nothing_in_it_is_as_good_as_none(
    resolved, guided, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    gains = tmp_path / "config" / "chords" / "gains.yaml"
    gains.parent.mkdir(parents=True)
    gains.write_text("# split: 1.8\n")
    settings = resolved(devices="cuda:0,cuda:1", prompts=("a",))
    assert "ideally 4.4x" in settings.note


def test_tokens_are_shared_by_as_many_devices_as_are_asked_for(resolved, guided):
    settings = resolved(devices=EIGHT, prompts=("a",), context=3)
    assert laid_out(settings)[0] == (1, 1, True, 3)
    assert "1 core x 2 (guidance split) x 3 (context)" in settings.note
    assert "2 devices free" in settings.note


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_fewer_steps_than_the_cores_of_a_preset_are_no_mistake_of_the_user(resolved, guided, steps):
    settings = resolved(devices=EIGHT, prompts=("a",), steps=steps)
    assert laid_out(settings) == ((1, 1, True, 1), None)
    assert resolved(devices=EIGHT, steps=steps, all_cores=True).plan.cores <= steps


def test_a_run_that_goes_on_makes_pictures_as_before_and_uses_all_devices(resolved, preset_file):
    few = resolved(devices="cuda:0,cuda:1", prompts=("a fox",))
    assert laid_out(few) == ((1, 2, False, 1), 13)
    request = Request(
        kind="image", model=str(preset_file), devices=EIGHT, prompts=("a fox",), num=20
    )
    more = resolve(request, earlier=pixels(few))
    assert laid_out(more) == ((4, 2, False, 1), 13)
    assert pixels(replace(more, devices=few.devices)) == pixels(few)


def test_pictures_that_do_not_fit_at_a_time_are_made_one_after_the_other(
    resolved, guided, monkeypatch
):
    def only_one_encoder_fits(demand):
        if len(demand.encoding) > 1:
            raise UsageError("two encoders do not fit", "buy memory")

    monkeypatch.setattr(resolve_module, "check_memory", only_one_encoder_fits)
    settings = resolved(devices="cuda:0,cuda:1", prompts=("a fox",), num=8)
    assert laid_out(settings) == ((1, 1, True, 1), 21)
    monkeypatch.setattr(resolve_module, "check_memory", refuse_everything)
    with pytest.raises(UsageError, match="nothing fits"):
        resolved(devices="cuda:0,cuda:1", prompts=("a fox",), num=8)


def refuse_everything(demand):
    raise UsageError("nothing fits", "buy memory")
