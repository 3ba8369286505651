"""Every command that a page shows does what the page says, and so does every script."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, commands
from tests.docs.shell import Shell

pytestmark = pytest.mark.slow

BY_HAND = {
    "hf auth login",
    "make test-gpu",
    "python -m benchmarks.gpu --output mine.json",
    "python3 -m venv .venv",
    ".venv/bin/pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu",
    "source chords-env/bin/activate",
    "python3 -m venv chords-env",
    "pip install -c constraints.txt chords-cli",
    "pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu",
    "chords --install-completion",
    "docker build --tag chords .",
    "docker build --tag chords:cpu --target cpu .",
    'docker run --rm --gpus all --volume chords:/cache --volume "$PWD:/work" chords image "a red '
    'heart on a white background"',
    'docker run --rm --volume chords:/cache --volume "$PWD:/work" chords:cpu image "a red heart on '
    'a white background"',
    ".ci/run",
    ".ci/versions",
    "make test-all",
    "make test-faults",
    "make test-long",
    "make fuzz",
    "export CHORDS_SECRET=...",
    *(f'chords image "a fox" --nnodes 2 --node-rank {k} --master-addr 10.0.0.1' for k in range(2)),
    "torchrun --nnodes 2 --node-rank 0 --nproc-per-node 8 --master-addr 10.0.0.1 -m chords_cli "
    'image "a fox"',
    "srun bash -c 'RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID "
    'chords image "a fox"\'',
}
"""What needs an account, a GPU or a network: the pages mark it, and no test runs it."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_does_what_the_page_says(
    page: Path, terminal: Callable[[str], Shell]
) -> None:
    text = page.read_text()
    shell = terminal(text)
    for command in commands(text):
        if command.by_hand or command.text in BY_HAND:
            continue
        said = (shell.script if command.python else shell.type)(command.text)
        told = f"{page.name}:{command.line}: {command.text}\n{said.text}"
        refused = (command.answer or "").startswith("error: ")
        assert (said.code != 0) == refused, told
        if command.answer is not None:
            assert agrees(command.answer, said.text), f"{told}\ninstead of\n{command.answer}"


def test_what_no_test_runs_is_listed_here_and_marked_there() -> None:
    marked = {
        command.text for page in PAGES for command in commands(page.read_text()) if command.by_hand
    }
    assert marked == BY_HAND


def test_a_page_that_shows_another_answer_is_noticed() -> None:
    said = "error: cores is 9\nhint: use --cores 4\n"
    assert agrees("error: cores is 9\nhint: use --cores 4", said)
    assert agrees("error: cores is ...\n...", said)
    assert agrees("...\nhint: use --cores 4", said)
    assert not agrees("error: cores is 8\nhint: use --cores 4", said)
    assert not agrees("error: cores is 9", said)


def agrees(shown: str, said: str) -> bool:
    """Whether a command says what a page shows, but for what dots stand for."""
    told = "\n".join(line.rstrip() for line in said.strip("\n").splitlines())
    lines = (re.escape(line.rstrip()).replace(r"\.\.\.", ".*") for line in shown.splitlines())
    pattern = "\n".join("(?s:.*)" if line == ".*" else line for line in lines)
    return re.fullmatch(pattern, told) is not None
