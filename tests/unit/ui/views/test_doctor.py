"""An examination as it is shown: headings, lines, hints and a sum."""

import pytest

from chords_cli.records.doctor import Check, DoctorRecord
from chords_cli.ui.console import Console
from chords_cli.ui.views.doctor import CheckLines, verdict

CHECKS = (
    Check(topic="machine", name="network", state="ok", found="cores meet on lo", remedy=""),
    Check(topic="machine", name="cache", state="warn", found="full", remedy="free some"),
    Check(topic="devices", name="torch", state="fail", found="2.13.0 " * 8, remedy="pip install"),
)

SHOWN = """\
machine
 ok   network     cores meet on lo
 warn cache       full
                  hint: free some

devices
 fail torch       2.13.0 2.13.0 2.13.0 2.13.0
                  2.13.0 2.13.0 2.13.0 2.13.0
                  hint: pip install

1 ok, 1 warn, 1 fail of 3 checks for toy in 6.10 s
"""


@pytest.mark.parametrize("width", ["50"])
def test_lines_come_below_their_topic_and_hints_below_their_line(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", width)
    console, lines = Console(), CheckLines()
    for check in CHECKS:
        console.show(lines.draw(check))
    record = DoctorRecord(
        schema=1,
        command="doctor",
        version="0.1.0",
        model="toy",
        devices=("cpu",),
        state="fail",
        checks=CHECKS,
        seconds=6.1,
    )
    console.show(verdict(record))
    said = capsys.readouterr().out
    assert "\n".join(line.rstrip() for line in said.splitlines()) + "\n" == SHOWN


def test_a_sum_leaves_out_what_there_is_none_of():
    record = DoctorRecord(
        schema=1,
        command="doctor",
        version="0.1.0",
        model="toy",
        devices=(),
        state="ok",
        checks=CHECKS[:1],
        seconds=1.0,
    )
    assert verdict(record).plain == "\n1 ok of 1 check for toy in 1.00 s"
