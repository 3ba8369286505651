"""How the live panel looks, at widths and moments that matter."""

import io

import pytest
from rich.console import Console

from chords_cli import events
from chords_cli.sampler import chords_plan, default_init_t, sequential_plan
from chords_cli.sampler.stop import StopRule
from chords_cli.ui.live.panel import draw, sparkline
from chords_cli.ui.live.progress import Progress
from tests.doubles.replay import run_events

PLAN = chords_plan(50, (0, 8, 16, 32))

MIDWAY = """\
╭─ FLUX.1-dev ─────────────────────────────────────────────────────────────────╮
│ chords 0-8-16-32 · 4 cores · 50 steps · cuda:0, cuda:1, cuda:2, cuda:3       │
│ output 1 after 21 rounds: ideally 2.38x sooner                               │
│                                                                              │
│ core  device  state     own steps                  grid  corrected           │
│    0  cuda:0  sampling  ━━━━━━━━━━         10/17  10/50                      │
│    1  cuda:1  sampling  ━━━━━━━━━          10/18  17/50     0.0111  █        │
│    2  cuda:2  sampling  ━━━━━━━━            9/19  23/50                      │
│    3  cuda:3  sampling  ━━━━━━━             9/21  38/50                      │
│ own steps: how many this core computes; grid: which step it has reached;     │
│ corrected: how far the latent of the core above last moved its own           │
│                                                                              │
│ ○ preview   core 3  round 4  0.90 s                                          │
│                                                                              │
│ 1/1  a red circle left of a blue square on a yellow background       seed 42 │
╰─────────────────────────────────────────────────────────────────────── 0:05 ─╯
"""


def lines(progress: Progress, width: int, height: int = 40) -> list[str]:
    """The panel without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(draw(progress, width, height, seconds=5.5))
    return console.file.getvalue().splitlines()


def played(plan=PLAN, until=None, **options) -> Progress:
    """What is known of a run, up to and with the first event that `until` accepts."""
    progress = Progress()
    for event in run_events(plan, **options):
        progress.apply(event)
        if until and until(event):
            break
    return progress


def at_round_ten(event: events.Event) -> bool:
    return isinstance(event, events.CoreStepped) and (event.round, event.core) == (9, 1)


def test_panel_shows_every_core_in_the_midst_of_a_run():
    assert "\n".join(lines(played(until=at_round_ten), 80)) + "\n" == MIDWAY


def test_panel_shows_while_loading_which_part_is_read_and_how_many_bytes_are_there():
    def later(event: events.Event) -> bool:
        return isinstance(event, events.CoreLoading) and event.done > 0 and event.core == 2

    shown = lines(played(until=later), 80)
    assert shown[4].split() == ["│", "core", "device", "state", "loaded", "│"]
    assert shown[5].split()[1:4] == ["0", "cuda:0", "loading"]
    assert shown[5].split()[-4:] == ["9.6", "GB/24.0", "GB", "│"]
    assert shown[8].split()[-4:] == ["0", "B/24.0", "GB", "│"]
    assert shown[10].strip("│ ") == "reading transformer"


@pytest.mark.parametrize("cores", [1, 2, 8, 16])
@pytest.mark.parametrize("width", [60, 70, 80, 100, 200])
@pytest.mark.parametrize("device", ["cpu", "cuda:{}"])
def test_panel_keeps_its_frame_at_every_width_and_moment(cores, width, device):
    plan, progress = chords_plan(50, default_init_t(50, cores)), Progress()
    lengths = set()
    for number, event in enumerate(run_events(plan, device=device, prompts=2)):
        progress.apply(event)
        if number % 20 == 0:
            lengths |= set(map(len, lines(progress, width)))
    assert lengths == {min(width, 110)}


def test_panel_fits_a_small_terminal_with_sixteen_cores():
    plan = chords_plan(50, default_init_t(50, 16))
    assert len(lines(played(plan, index=3), 80, height=24)) == 23
    assert len(lines(played(plan, index=3), 80, height=40)) == 31


def test_panel_fits_a_small_terminal_with_sixteen_pictures_at_a_time():
    progress = Progress()
    progress.apply(
        events.RunResolved(
            model="FLUX.1-dev",
            plan=sequential_plan(50),
            stop=StopRule(),
            devices=tuple(f"cuda:{number}" for number in range(16)),
            groups=16,
            output="x",
        )
    )
    for number in range(16):
        began = events.PromptStarted(
            number=number + 1, total=36, prompt="a cat", seed=number, group=number
        )
        progress.apply(began)
    progress.apply(events.Warned(core=0, text="a prompt was cut"))
    shown = lines(progress, width=80, height=24)
    assert len(shown) < 24
    assert any("0 of 36 are done" in line for line in shown)
    assert any("a prompt was cut" in line for line in shown)


def test_panel_leaves_out_the_device_when_it_is_narrow_and_all_are_alike():
    progress = played(device="cpu", until=at_round_ten)
    assert "device" not in "\n".join(lines(progress, 70))
    assert "device" in "\n".join(lines(progress, 80))


def test_panel_shows_every_output_that_there_is_room_for():
    shown = lines(played(index=4), 80, height=40)
    assert [n for n in range(5) if any(f"output {n} " in line for line in shown)] == [1, 2, 3, 4]
    assert any("preview" in line for line in shown)


def test_panel_shows_how_far_the_last_outputs_are_from_those_before_them():
    shown = lines(played(index=4), 80, height=17)
    landed = [line.split()[1:-1] for line in shown if "differs by" in line]
    assert [words[:3] for words in landed] == [["●", "output", str(n)] for n in (2, 3, 4)]
    told = "● output 4 core 0 round 50 5.50 s the result, differs by 0.0525"
    assert " ".join(landed[-1]) == told


def test_panel_does_not_measure_the_first_result_by_its_preview():
    (shown,) = (line for line in lines(played(), 80) if "output 1 " in line and "●" in line)
    assert " ".join(shown.split()) == "│ ● output 1 core 3 round 21 2.60 s the result │"


def test_panel_explains_its_columns_once_and_only_those_that_it_has():
    alone = "\n".join(lines(played(sequential_plan(50)), 80))
    assert alone.count("own steps: how many") == alone.count("grid: which step") == 1
    assert "corrected" not in alone
    together = "\n".join(lines(played(prompts=3), 80))
    assert together.count("corrected: how far") == 1
    assert "how many" not in "\n".join(lines(played(index=4), 80, height=17))


def test_panel_is_there_before_anything_is_known():
    _top, words, bottom = lines(Progress(), 60)
    assert words.split() == ["│", "starting", "│"]
    assert bottom.endswith(" 0:05 ─╯")


@pytest.mark.parametrize("steps", [50, 120])
@pytest.mark.parametrize(("device", "prompts"), [("cpu", 1), ("cpu", 2), ("cuda:{}", 1)])
def test_nothing_but_prompts_and_plans_is_cut_in_a_narrow_panel(steps, device, prompts):
    plan, progress = chords_plan(steps, default_init_t(steps, 4)), Progress()
    drawn: list[str] = []
    for number, event in enumerate(run_events(plan, index=4, device=device, prompts=prompts)):
        progress.apply(event)
        if number % 25 == 0 or isinstance(event, events.OutputLanded):
            drawn += [line for line in lines(progress, 58)[3:] if "seed" not in line]
    assert not [line for line in drawn if "…" in line]
    assert any("differs by" in line for line in drawn)


def test_bars_stay_where_they_are_while_numbers_grow():
    widths = set()
    for last in range(0, 20, 3):

        def there(event: events.Event, last: int = last) -> bool:
            return isinstance(event, events.CoreStepped) and event.round == last

        (titles,) = (line for line in lines(played(until=there), 80) if " state " in line)
        widths.add(titles.index("grid"))
    assert len(widths) == 1


def test_sparkline_rises_from_zero_to_the_largest():
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([]) == ""


def test_a_core_of_two_devices_names_both_in_its_row():
    progress = Progress()
    devices = ("cuda:0", "cuda:1", "cuda:2", "cuda:3")
    plan = chords_plan(50, (0, 16))
    progress.apply(
        events.RunResolved(
            model="Toy", plan=plan, stop=StopRule(index=1), devices=devices, output="x", members=2
        )
    )
    for rank, device in enumerate(devices):
        core, member = divmod(rank, 2)
        progress.apply(events.CoreStarted(core=core, member=member, device=device, pid=1))
        loading = events.CoreLoading(core=core, member=member, what="vae", done=member, total=9)
        progress.apply(loading)
    drawn = "\n".join(lines(progress, 100))
    assert "chords 0-16 · 2 cores x 2 · 50 steps · cuda:0, cuda:1, cuda:2, cuda:3" in drawn
    assert "0  cuda:0 + cuda:1  loading" in drawn
    assert "1  cuda:2 + cuda:3  loading" in drawn


@pytest.mark.parametrize(
    ("devices", "members", "names"),
    [
        (("cuda:0", "cuda:1"), 1, ["cuda:0", "cuda:1"]),
        (("cpu", "cpu"), 2, ["cpu + cpu"]),
        (tuple(f"cuda:{n}" for n in range(8)), 4, ["cuda:0 to 3", "cuda:4 to 7"]),
        (("cpu",) * 4, 4, ["cpu x 4"]),
        (("cuda:0", "cuda:2", "cuda:1", "cpu"), 4, ["cuda:0 + cuda:2 + cuda:1 + cpu"]),
    ],
)
def test_the_devices_of_a_core_are_named_in_few_words(devices, members, names):
    assert events.per_core(devices, members) == names


def test_panel_says_that_torch_compiles_and_what_waits_for_it():
    progress = played(until=lambda event: isinstance(event, events.PromptStarted))
    for core in range(4):
        progress.apply(events.CoreCompiling(core=core))
    progress.apply(events.CoreCompiled(core=2, seconds=40.0, encoded=0.1))
    shown = lines(progress, 80)
    states = [line.split()[3] for line in shown[5:9]]
    assert states == ["compiling", "compiling", "waiting", "compiling"]
    words = "torch compiles the model; sampling begins when it has done so for all cores"
    assert words in " ".join(line.strip("│ ") for line in shown)
