"""What is said of a file that cannot be read, before anything looks at what is in it."""

import os
import re
import socket
from pathlib import Path

import pytest

from chords_cli.errors import UsageError
from chords_cli.runs.inputs import files
from chords_cli.runs.inputs.files import read_file
from tests.doubles.inputs import spelled


def refusal(name: str) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        read_file("image", name)
    return spelled(caught.value)


def test_a_file_is_its_path_and_its_bytes(write):
    assert read_file("image", write("photo.png", b"some")) == (Path("photo.png"), b"some")


@pytest.mark.parametrize("name", ["写真 élan.png", "with space.png", "{seed}.png", "a=1.png"])
def test_any_name_is_a_name(write, name):
    assert read_file("image", write(name, b"some"))[1] == b"some"


def test_a_tilde_is_the_home_folder(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write("photo.png", b"some")
    assert read_file("image", "~/photo.png") == (tmp_path / "photo.png", b"some")


def test_a_missing_file_is_named_with_the_one_that_is_meant(write):
    write("photo.png", b"some")
    message = "--image phto.png does not exist"
    assert refusal("phto.png") == (message, "did you mean photo.png?")
    message = "--image elsewhere/photo.png does not exist"
    assert refusal("elsewhere/photo.png") == (message, "check its path")


def test_a_name_with_braces_stays_as_it_is():
    assert refusal("{seed}.png")[0] == "--image {seed}.png does not exist"


@pytest.mark.parametrize("address", ["https://example.com/cat.png", "s3://bucket/cat.png"])
def test_nothing_is_fetched_from_an_address(address):
    message, hint = refusal(address)
    assert message == f"--image {address} is an address, and nothing is fetched"
    assert hint == f"download it and name the file: curl -LO {address}"


def test_a_folder_is_no_file(tmp_path):
    assert refusal(str(tmp_path)) == (f"--image {tmp_path} is a folder", "name a file in it")


def test_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    message = "--image pipe.png is a pipe or a device, not a file"
    assert refusal("pipe.png") == (message, "save it as a file")


def test_devices_and_sockets_are_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket.png")
        for name in ("/dev/zero", "socket.png"):
            assert refusal(name)[0] == f"--image {name} is a pipe or a device, not a file"


def test_a_file_that_may_not_be_read_is_refused(write, monkeypatch):
    def forbid(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", forbid)
    message, hint = refusal(write("photo.png", b"some"))
    assert message == "--image photo.png cannot be read: Permission denied"
    assert hint == "check its path, and who may read it"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("photo\0.png", "(stat: )?embedded null (byte|character in path)"),
        ("p" * 300 + ".png", "File name too long"),
        ("~nobody-of-that-name/photo.png", r"Could not determine home directory\."),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(name, reason):
    assert re.search(f"cannot be read: {reason}$", refusal(name)[0])


def test_a_name_that_no_record_can_hold_is_refused(write):
    write("caf\udce9.png", b"some")
    assert refusal("caf\udce9.png") == (
        "--image caf?.png has a name that is not UTF-8",
        "rename it",
    )


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Path("film.mp4").open("wb") as file:
        file.truncate(3 * 10**9)
    message, hint = refusal("film.mp4")
    assert message == "--image film.mp4 is 3 GB large, but at most 1 GB are read"
    assert hint == "cut it, or make it smaller"


def test_a_file_that_is_still_written_is_refused(write, monkeypatch):
    stock = Path.read_bytes

    def read(path: Path) -> bytes:
        data = stock(path)
        with path.open("ab") as file:
            file.write(b"more")
        return data

    monkeypatch.setattr(files.Path, "read_bytes", read)
    message = "--image photo.png changed while it was read"
    assert refusal(write("photo.png", b"some")) == (message, "wait until it is written")
