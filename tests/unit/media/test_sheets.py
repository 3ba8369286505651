import numpy as np

from chords_cli.media.sheets import Cell, Row, difference_map, film_frames, gain_for, sheet

RNG = np.random.default_rng(0)
WHITE = np.full((3, 16, 24, 3), 255, dtype=np.uint8)


def row(*frames, reference=0):
    return Row("a cat", tuple(Cell(f, ("name", "more")) for f in frames), reference)


def test_a_difference_map_is_the_amplified_distance_either_way():
    one = np.array([[[10, 20, 200]]], dtype=np.uint8)
    other = np.array([[[13, 17, 0]]], dtype=np.uint8)
    assert difference_map(one, other, 8).tolist() == [[[24, 24, 255]]]


def test_small_differences_are_amplified_more_than_large_ones():
    near, far = WHITE[0] - 2, WHITE[0] - 100
    assert gain_for([near], WHITE[0]) == 64
    assert gain_for([far], WHITE[0]) == 2
    assert gain_for([near, far], WHITE[0]) == 2
    assert gain_for([WHITE[0]], WHITE[0]) == 1


def test_a_sheet_shows_every_picture_and_the_difference_below_it():
    red = WHITE.copy()
    red[..., 1:] = 0
    page = sheet("title", [row(WHITE, red)])
    colors = {tuple(color) for color in page.reshape(-1, 3)[::7].tolist()}
    assert (255, 0, 0) in colors
    assert (0, 255, 255) in colors


def test_equal_results_give_equal_sheets():
    one = RNG.integers(0, 256, WHITE.shape, dtype=np.uint8)
    assert np.array_equal(sheet("t", [row(WHITE, one)]), sheet("t", [row(WHITE, one)]))


def test_a_large_picture_is_shrunk_and_a_small_one_magnified():
    large = np.zeros((1, 900, 1600, 3), dtype=np.uint8)
    assert sheet("t", [row(large, large)]).shape[1] < 1000
    assert sheet("t", [row(WHITE, WHITE)]).shape[1] > 450


def test_a_film_has_every_frame_and_even_sides():
    film = film_frames("title", row(WHITE, WHITE, WHITE))
    assert film.shape[0] == 3
    assert film.shape[1] % 2 == film.shape[2] % 2 == 0


def test_a_heading_that_is_too_long_is_cut_not_wrapped():
    long = Row("word " * 20_000, (Cell(WHITE, ("x" * 999,)),), 0)
    short = Row("word", (Cell(WHITE, ("x",)),), 0)
    assert sheet("t", [long]).shape == sheet("t", [short]).shape


def test_what_results_start_from_is_shown_first_and_has_no_difference():
    blue = np.zeros((1, 40, 20, 3), dtype=np.uint8)
    blue[..., 2] = 255
    plain = row(WHITE, WHITE)
    started = Row(plain.heading, plain.cells, plain.reference, (Cell(blue, ("image",)),))
    pages = [sheet("t", [one]).astype(int) for one in (plain, started)]
    assert pages[1].shape[1] * 2 == pages[0].shape[1] * 3 - 16  # a column more, and its margin
    left, right = pages[1][:, :240], pages[1][:, 240:]
    assert (left == (0, 0, 255)).all(-1).any()
    assert not (right == (0, 0, 255)).all(-1).any()
    assert film_frames("t", started).shape[0] == 3
