"""A delivery of several files at once: who is heard, and until when."""

import threading
from pathlib import Path

import pytest

from chords_cli.errors import ChordsError
from chords_cli.events import FileFetched
from chords_cli.hub.repository import Listing, RemoteFile
from chords_cli.runs.download import run as downloads
from chords_cli.runs.download.run import DownloadRequest
from chords_cli.runs.download.targets import Target
from tests.waiting import HANG

INDEX, WEIGHTS = "model_index.json", "vae/diffusion_pytorch_model.safetensors"
FILES = {path: RemoteFile(path, 1, path) for path in (INDEX, "vae/config.json", WEIGHTS)}


class SlowHub:
    """The weights fail once all else is on its way, which arrives when `released` is set."""

    def __init__(self, folder: Path) -> None:
        self.offline, self.cache = False, folder
        self.on_their_way, self.released = threading.Semaphore(0), threading.Event()
        self.workers = list[threading.Thread]()

    def listing(self, repo, revision):
        return Listing(repo, revision, "c0", False, FILES)

    def read_json(self, listing, path):
        return {"vae": ["diffusers", "AutoencoderKL"]}

    def arrived(self, listing, file):
        return 0

    def snapshot(self, listing):
        return self.cache / listing.commit

    def fetch(self, listing, file, watch, *, force=False):
        if file.path == WEIGHTS:
            for _ in range(len(FILES) - 1):
                self.on_their_way.acquire()
            raise ChordsError("the weights came wrong")
        self.workers.append(threading.current_thread())
        self.on_their_way.release()
        self.released.wait(HANG)
        watch.arrived(1)
        watch.retries("the line broke", 1.0)
        return True

    def link(self, listing, path):
        """Has no folder to link it in."""


def test_files_on_their_way_are_not_heard_of_after_another_failed(tmp_path, monkeypatch):
    hub, heard = SlowHub(tmp_path), []
    monkeypatch.setattr(downloads, "Hub", lambda cache: hub)
    with pytest.raises(ChordsError, match="came wrong"):
        downloads.download(DownloadRequest(targets=[Target("m", "a/m")]), heard.append)
    told = list(heard)
    hub.released.set()
    for worker in hub.workers:
        worker.join(HANG)
    assert len(hub.workers) == 2
    assert heard == told
    assert not any(isinstance(event, FileFetched) for event in heard)
