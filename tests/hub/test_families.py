"""Of every family's repository, the files that are called needed are those that loading opens."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from chords_cli.hub.repository import needed_files
from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.reporting import report_loading
from chords_cli.pipelines.load.spec import ModelSpec
from tests.doubles import tiny, zoo, zoo_videos
from tests.hub.opened import opened_in

BUILDERS = {**tiny.BUILDERS, **zoo.BUILDERS, **zoo_videos.BUILDERS}


def load_and_watch(root: Path) -> set[str]:
    """Loads the pipeline as core 0 does; the files of its repository that were opened."""
    cls = json.loads((root / "model_index.json").read_text())["_class_name"]
    spec = ModelSpec(folder=str(root), pipeline=cls, dtype="float32")
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    with ExitStack() as watches:
        opened = {folder: watches.enter_context(opened_in(folder)) for folder in folders}
        load_pipeline(spec, device=torch.device("cpu"), encodes=True, decodes=True)
    paths = [folder / name for folder, names in opened.items() for name in names]
    return {path.relative_to(root).as_posix() for path in paths if path.is_file()}


@pytest.mark.parametrize("family", BUILDERS)
def test_loading_opens_the_needed_files(family, tmp_path):
    report_loading(lambda what, done, total: None)
    BUILDERS[family]().save_pretrained(tmp_path)
    (tmp_path / "unrelated.safetensors").touch()
    names = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    needed = needed_files(names, lambda name: json.loads((tmp_path / name).read_text()))
    assert load_and_watch(tmp_path) == set(needed)
