"""Repositories of tiny pipelines, saved once a session, and what their cores make of a prompt."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from chords_cli.engine import processes
from chords_cli.engine.messages import Latent
from chords_cli.engine.pool import Pool, PoolSettings
from chords_cli.engine.watch import blame
from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.reporting import report_loading
from chords_cli.pipelines.load.spec import ModelSpec
from tests.doubles import tiny, zoo, zoo_controls, zoo_pictures
from tests.doubles.adapters import save_ip_adapter
from tests.waiting import HANG

BUILDERS = tiny.BUILDERS | zoo.BUILDERS
CALLS = tiny.CALLS | zoo.CALLS
PROMPT = "a cat riding a horse"

_ADAPTER = "ip_adapter.safetensors"


@pytest.fixture(scope="package", autouse=True)
def _patient() -> Iterator[None]:
    """Cores end by themselves, and who is to blame is known, however long that takes here.

    Not so in other folders: there a core that was stopped has to be killed.
    """
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("_QUIT_SECONDS", "_KILL_SECONDS"):
            patch.setattr(processes, limit, HANG)
        for limit in ("_BLAME_SECONDS", "_END_SECONDS"):
            patch.setattr(blame, limit, HANG)
        yield


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    report_loading(lambda what, done, total: None)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny repository."""
    folders: dict[str, Path] = {}

    def saved(family: str) -> Path:
        if family not in folders:
            folders[family] = tmp_path_factory.mktemp(family)
            made = (BUILDERS | zoo_pictures.BUILDERS)[family]()
            made.save_pretrained(folders[family])
            if family in zoo_controls.ADAPTED:
                save_ip_adapter(made.unet, folders[family] / _ADAPTER)
        return folders[family]

    return saved


@pytest.fixture(scope="session")
def spec(repository: Callable[[str], Path]) -> Callable[[str, str], ModelSpec]:
    """How a family's tiny repository is loaded in a dtype."""

    def made(family: str, dtype: str = "float32") -> ModelSpec:
        folder, sees = repository(family), family in zoo_pictures.BUILDERS
        return ModelSpec(
            folder=str(folder),
            pipeline=_class_name(folder),
            dtype=dtype,
            sees=sees,
            adapters=((str(folder / _ADAPTER), 0.7),) if family in zoo_controls.ADAPTED else (),
        )

    return made


@pytest.fixture(scope="session")
def loaded(spec: Callable[[str, str], ModelSpec]) -> Callable[[str, str], Any]:
    """The whole pipeline in this process, loaded as core 0 loads it."""
    pipes: dict[tuple[str, str], Any] = {}

    def load(family: str, dtype: str = "float32") -> Any:
        if (family, dtype) not in pipes:
            pipes[family, dtype] = load_pipeline(
                spec(family, dtype), device=torch.device("cpu"), encodes=True, decodes=True
            )
        return pipes[family, dtype]

    return load


class Shared:
    """A family's eight cores, for plans of any size: those that stay idle change no bits."""

    def __init__(self, spec: Callable[[str, str], ModelSpec]) -> None:
        self._spec = spec
        self._pools: dict[tuple[str, str], Pool] = {}

    def __call__(self, family: str, dtype: str = "float32") -> Pool:
        if (family, dtype) not in self._pools:
            pool = pool_of(self._spec(family, dtype), 8)
            self._pools[family, dtype] = pool.__enter__()
        return self._pools[family, dtype]

    def leave(self) -> None:
        """Ends all cores, as before the process that they were forked from ends."""
        for pool in self._pools.values():
            pool.__exit__(None, None, None)
        self._pools.clear()


@pytest.fixture(scope="session")
def shared(spec: Callable[[str, str], ModelSpec]) -> Iterator[Shared]:
    """The cores that tests share."""
    cores = Shared(spec)
    yield cores
    cores.leave()


def call_of(family: str, steps: int) -> dict[str, Any]:
    """The family's smallest call."""
    calls = CALLS | zoo_pictures.CALLS
    return {"prompt": PROMPT, **calls[family], "num_inference_steps": steps}


def pool_of(spec: ModelSpec, cores: int, **settings: Any) -> Pool:
    """A pool of CPU cores whose events go nowhere."""
    told = settings.pop("listener", lambda event: None)
    defaults: dict[str, Any] = {"decoders": frozenset(range(cores)), "timeout": HANG}
    return Pool(PoolSettings(model=spec, devices=("cpu",) * cores, **(defaults | settings)), told)


@contextmanager
def threads_of(cores: int) -> Iterator[None]:
    """As many threads as a core has: on a CPU some models' bits depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // cores))
    yield
    torch.set_num_threads(before)


def as_tensor(latent: Latent) -> torch.Tensor:
    """A latent that came through a pipe, as the tensor that it was."""
    flat = torch.frombuffer(bytearray(latent.data), dtype=getattr(torch, latent.dtype))
    return flat.reshape(latent.shape)


def _class_name(folder: Path) -> str:
    import json

    name: str = json.loads((folder / "model_index.json").read_text())["_class_name"]
    return name
