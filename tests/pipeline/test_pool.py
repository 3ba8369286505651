"""What happens when something goes wrong: one message that names the cause, and nothing left."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.exchange.network import way_to_meet
from chords_cli.engine.messages import LostNeighbourError, WaitedInVainError
from chords_cli.errors import ChordsError, UsageError
from chords_cli.events import CoreReady, CoreStarted, CoreStepped, Event, ProcessesStarted
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.stop import StopRule
from tests.doubles.warm import Warm
from tests.pipeline.conftest import call_of, pool_of
from tests.waiting import HANG, ended, until

STEPS, CORES = 12, 4

Spec = Callable[[str, str], ModelSpec]


class Killer:
    """A listener that kills one core's process when a given kind of event comes from it."""

    def __init__(self, core: int, kind: type[Event]) -> None:
        self._core, self._kind, self._done = core, kind, False
        self.pids: dict[int, int] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, CoreStarted) and event.pid:
            self.pids[event.core] = event.pid
        if isinstance(event, self._kind) and event.core == self._core and not self._done:
            self._done = True  # its next words may come when it is gone
            os.kill(self.pids[self._core], signal.SIGKILL)


@pytest.mark.parametrize("core", range(CORES))
def test_killed_core_ends_the_run_with_its_name_and_leaves_no_process(
    core: int, spec: Spec
) -> None:
    killer = Killer(core, CoreStepped)
    plan = chords_plan(STEPS, default_init_t(STEPS, CORES))
    with (
        pytest.raises(ChordsError) as caught,
        pool_of(spec("flux", "float32"), CORES, listener=killer) as pool,
    ):
        pool.sample(plan, call_of("flux", STEPS), 0, StopRule(), keep=True)
    died = rf"core {core} on cpu died while [a-z ]+: killed by SIGKILL"
    assert re.fullmatch(died, caught.value.message)
    assert caught.value.exit_code == 1
    assert not any(_runs(pid) for pid in killer.pids.values())


@pytest.mark.parametrize("kind", [CoreStarted, CoreReady])
def test_core_killed_while_it_loads_is_named(kind: type[Event], spec: Spec) -> None:
    killer = Killer(2, kind)
    plan = chords_plan(STEPS, default_init_t(STEPS, CORES))
    with (
        pytest.raises(ChordsError, match=r"(?m)^core 2 on cpu died while .*: killed by SIGKILL$"),
        pool_of(spec("flux", "float32"), CORES, listener=killer) as pool,
    ):
        pool.sample(plan, call_of("flux", STEPS), 0, StopRule())
    assert not any(_runs(pid) for pid in killer.pids.values())


def test_workers_end_with_a_parent_that_is_killed(spec: Spec, warm: Warm, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT.format(spec=spec("flux", "float32"), cores=CORES))
    parent = warm.start(script=script, cwd=tmp_path, env=os.environ)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == CORES
    assert all(_runs(pid) for pid in pids)
    parent.kill()
    parent.wait()
    until(lambda: not any(map(_runs, pids)), f"the end of {pids}")


def test_system_that_refuses_another_process_is_named_as_the_cause(
    spec: Spec, warm: Warm, tmp_path: Path
) -> None:
    script = tmp_path / "limited.py"  # a request that is cut may be the end of who forks cores
    script.write_text(_LIMITED.format(spec=spec("flux", "float32")))
    out, err = ended(warm.start(script=script, cwd=tmp_path, env=os.environ))
    assert re.search(r"cannot be started: Too many open files$", out), err


def test_folder_without_a_pipeline_is_refused_by_name(tmp_path: Path) -> None:
    spec = ModelSpec(folder=str(tmp_path), pipeline="FluxPipeline", dtype="float32")
    with pytest.raises(ChordsError) as caught, pool_of(spec, 2):
        pass
    assert f"{tmp_path} is not a diffusers repository" in caught.value.message
    assert caught.value.hint


def test_unknown_pipeline_is_wrong_usage(repository: Callable[[str], Path]) -> None:
    spec = ModelSpec(folder=str(repository("flux")), pipeline="FluxxPipeline", dtype="float32")
    refusal = "pipeline FluxxPipeline is not a pipeline of diffusers"
    with pytest.raises(UsageError, match=refusal), pool_of(spec, 1):
        pass


def test_stochastic_scheduler_is_refused_before_weights_are_loaded(
    repository: Callable[[str], Path],
) -> None:
    spec = ModelSpec(
        folder=str(repository("flux")),
        pipeline="FluxPipeline",
        dtype="float32",
        scheduler={"from_config": True, "args": {"stochastic_sampling": True}},
    )
    seen: list[Event] = []
    with pytest.raises(UsageError) as caught, pool_of(spec, 1, listener=seen.append):
        pass
    assert "stochastic_sampling draws fresh noise in every step" in caught.value.message
    assert "from_config: true" in caught.value.hint
    assert [type(event) for event in seen] == [ProcessesStarted, CoreStarted]


def test_call_that_the_pipeline_refuses_is_wrong_usage_in_its_words(spec: Spec) -> None:
    plan = chords_plan(STEPS, (0,))
    call = call_of("flux", STEPS) | {"max_sequence_length": 4096}
    with pytest.raises(UsageError) as caught, pool_of(spec("flux", "float32"), 1) as pool:
        pool.sample(plan, call, 0, StopRule())
    assert "FluxPipeline refused its call: `max_sequence_length` cannot be greater than 512" in (
        caught.value.message
    )


def test_grid_of_another_length_than_the_plan_is_refused(spec: Spec) -> None:
    with pytest.raises(UsageError) as caught, pool_of(spec("flux", "float32"), 1) as pool:
        pool.sample(chords_plan(STEPS, (0,)), call_of("flux", STEPS + 1), 0, StopRule())
    assert "takes 13 of 13 steps, the plan has 12" in caught.value.message


def test_output_that_is_not_finite_ends_the_run_and_says_so(spec: Spec) -> None:
    call = call_of("sd3", STEPS) | {"guidance_scale": 1e38}
    plan = chords_plan(STEPS, default_init_t(STEPS, 2))
    with pytest.raises(ChordsError) as caught, pool_of(spec("sd3", "float32"), 2) as pool:
        pool.sample(plan, call, 0, StopRule())
    assert caught.value.message.endswith(" is not finite: the model made nan or inf in float32")
    assert (
        caught.value.hint
        == "try a smaller guidance; if that does not help, its weights may be damaged"
    )


def test_core_gives_up_on_a_neighbour_that_never_comes(tmp_path: Path) -> None:
    exchange = Exchange(0, 2, tmp_path / "rendezvous", timeout=0.2)
    with pytest.raises(WaitedInVainError, match="not all of 2 cores came"):
        exchange.open()


def test_cores_that_cannot_meet_name_the_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nope")
    with pytest.raises(LostNeighbourError, match=r"^the cores cannot meet on nope: ") as caught:
        Exchange(0, 2, tmp_path / "rendezvous", timeout=HANG).open()
    assert caught.value.hint.startswith("unset GLOO_SOCKET_IFNAME")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")
    assert way_to_meet().startswith("start the loopback interface (`")


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


_PARENT = """
import signal
from chords_cli.engine.pool import Pool, PoolSettings
from chords_cli.events import CoreStarted
from chords_cli.pipelines.load.spec import ModelSpec

pids = []

def hear(event):
    if isinstance(event, CoreStarted):
        pids.append(event.pid)

if __name__ == "__main__":
    settings = PoolSettings(
        model={spec!r}, devices=("cpu",) * {cores}, decoders=frozenset()
    )
    with Pool(settings, hear):
        print(*pids, flush=True)
        signal.pause()
"""

_LIMITED = """
import resource
from dataclasses import replace
from pathlib import Path
from chords_cli.engine.pool import Pool, PoolSettings
from chords_cli.errors import ChordsError
from chords_cli.pipelines.load.spec import ModelSpec

if __name__ == "__main__":
    one = PoolSettings(model={spec!r}, devices=("cpu",), decoders=frozenset())
    with Pool(one, lambda event: None):  # the process that others are forked from is there
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = len(list(Path("/proc/self/fd").iterdir()))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files + 12, hard))
        try:
            with Pool(replace(one, devices=("cpu",) * 8), lambda event: None):
                pass
        except ChordsError as error:
            print(error.message)
"""
