"""What every process holds while a picture is made.

    python -m benchmarks.overhead.memory [--json]

The real command with the built-in image model, for several numbers of cores. Read from
`/proc/PID/smaps_rollup` (Linux) twenty times a second while all cores are there; each number is the
largest that was seen, in MB. *Private* memory is a process's alone, *fair* counts what is shared in
equal parts; the sum of `fair` over all processes is what the machine lacks. Weights on the host are
shared where cores were forked or map the same files.
"""

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CORES = (1, 2, 4, 8)
STEPS = 28


def look(command: int) -> dict[str, dict[str, float]]:
    """Returns what each process of a command holds now, in MB, by its role."""
    found, workers = dict[str, dict[str, float]](), 0
    family = _family(command)
    for pid in sorted(family):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            told = Path(f"/proc/{pid}/smaps_rollup").read_text()
            parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            kb = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB", told, re.M)}
            role = "command" if pid == command else "fork server"
            if "resource_tracker" in line:
                role = "resource tracker"
            elif pid != command and parent not in family:
                continue  # it is about to end: so is the process that it was forked from
            elif pid != command and parent != command:
                role, workers = f"core {workers}", workers + 1
            found[role] = {
                "private": (kb["Private_Clean"] + kb["Private_Dirty"]) / 1e3,
                "fair": kb["Pss"] / 1e3,
                "resident": kb["Rss"] / 1e3,
            }
    return found


def _family(command: int) -> set[int]:
    found, left = set[int](), [command]
    while left:
        pid = left.pop()
        found.add(pid)
        for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                left += map(int, tasks.read_text().split())
    return found


def measure(cores: int) -> dict[str, dict[str, float]]:
    """Returns the most that each process of one command has held."""
    most = dict[str, dict[str, float]]()
    with tempfile.TemporaryDirectory(prefix="chords-memory-") as folder:
        line = [sys.executable, "-m", "chords_cli", "image", "a red heart", "--devices", "cpu"]
        line += ["--cores", str(cores), "--steps", str(STEPS), "--output", str(Path(folder, "out"))]
        with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as done:
            while done.poll() is None:
                looked = look(done.pid)
                complete = f"core {cores - 1}" in looked
                for role, held in looked.items() if complete else ():
                    known = most.setdefault(role, dict.fromkeys(held, 0.0))
                    most[role] = {kind: max(known[kind], size) for kind, size in held.items()}
                time.sleep(0.05)
        if done.returncode:
            raise SystemExit(f"{' '.join(line)} ended with {done.returncode}")
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    rows: list[dict[str, Any]] = [{"cores": cores, "held": measure(cores)} for cores in CORES]
    sys.stdout.write((json.dumps(rows, indent=1) if as_json else table(rows)) + "\n")


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'cores':>6} {'process':18}{'private':>10}{'fair':>10}{'resident':>10}"]
    for row in rows:
        for role, held in sorted(row["held"].items()):
            sizes = "".join(f"{held[kind]:10.0f}" for kind in ("private", "fair", "resident"))
            lines.append(f"{row['cores']:6} {role:18}{sizes}")
        total = sum(held["fair"] for held in row["held"].values())
        lines.append(f"{row['cores']:6} {'all':18}{'':10}{total:10.0f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
