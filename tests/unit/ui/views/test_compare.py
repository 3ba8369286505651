import io
from itertools import chain

from rich.console import Console

from chords_cli.ui.views.compare import explanations, results_table
from tests.doubles.comparisons import ARMS, made_up


def shown(*parts):
    console = Console(width=100, file=io.StringIO())
    for part in parts:
        console.print(part)
    return [line.split() for line in console.file.getvalue().splitlines() if line.strip()]


def test_one_result_has_a_line_an_arm():
    record, _ = made_up("image", "a cat")
    above, header, _, *lines = shown(results_table(record))
    assert above == ["in", "a"]
    assert header[:4] == ["arm", "row", "devices", "sample"]
    assert [line[0] for line in lines] == list(ARMS)
    numbers = ["1.50", "s", "2.00x", "2.50x", "0.5000", "0.5", "0.5000"]
    assert lines[1][1:] == ["50", "1", *numbers]
    assert lines[2][1:] == ["50", "4", "on", "1", *numbers]


def test_equal_pixels_are_called_equal_and_no_ideal_is_a_dash():
    record, _ = made_up("image", "a cat")
    reference = shown(results_table(record))[3]
    assert reference[-2] == "equal"
    assert reference[-4] == "-"


def test_several_results_have_means_above_worst_cases():
    record, _ = made_up("image", "a cat", "a dog")
    lines = shown(results_table(record))
    assert lines[-1] == ["0.6000", "0.6", "0.6000"]
    told = " ".join(chain(*shown(explanations(record))))
    assert told.startswith("means over 2 results with the worst below, medians of 2 runs, ")
    assert told.endswith("Cores share cpu. A second note.")


def test_a_clip_score_has_a_column_of_its_own():
    record, _ = made_up("image", "a cat")
    document = record.document()
    for arm in document["arms"]:
        arm["quality"]["clip_score"] = {"mean": 31.25, "worst": 30.0}
    record = type(record).read(document)
    _, header, _, first, *_ = shown(results_table(record))
    assert (header[-1], first[-1]) == ("CLIP", "31.25")
