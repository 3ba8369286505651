"""Every option is declared once; what follows from the declaration does."""

from dataclasses import fields

import pytest

from chords_cli.cli.options import IMAGE, VIDEO
from chords_cli.records.recipe import Pixels
from chords_cli.records.run import SettingsRecord
from chords_cli.runs.compare.request import CompareRequest
from chords_cli.runs.generate.record import run_record
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.request import CALL_OPTIONS, Request
from chords_cli.runs.settings.options.run_options import RunOptions

OPTIONS = options_of(Request)


@pytest.mark.parametrize("declaration", [Request, CompareRequest])
def test_every_field_is_an_option_but_the_kind_the_hosts_and_the_base(declaration):
    names = {field.name for field in fields(declaration)}
    assert names - options_of(declaration).keys() == (
        {"kind", "hosts"} if declaration is Request else {"base"}
    )


def test_a_command_takes_every_option_and_images_all_but_those_of_videos():
    assert set(OPTIONS) <= set(VIDEO)
    assert set(VIDEO) - set(IMAGE) == {"frames", "fps", "gif", "last_image", "video"}


def test_no_two_options_set_the_same_argument():
    assert len(CALL_OPTIONS) == sum(option.call is not None for _, option in OPTIONS.values())


def test_what_determines_pixels_is_in_every_recipe():
    pixels = {name for name, (_, option) in options_of(RunOptions).items() if option.pixels}
    assert pixels <= Pixels.model_fields.keys()


def test_every_option_that_a_run_has_is_in_its_record(resolved):
    settings = run_record(resolved(), []).settings
    assert options_of(RunOptions).keys() <= settings.document().keys()


def test_an_option_that_the_record_does_not_know_is_kept_in_it(resolved):
    known = run_record(resolved(), []).settings.document()
    assert SettingsRecord.read({**known, "new": 3}).document()["new"] == 3


def test_an_option_is_listed_where_its_class_puts_it_before_those_that_it_inherits():
    names = list(OPTIONS)
    assert names.index("width") < names.index("seed")
    assert names[0] == "prompts"
