from chords_cli.pipelines.load.reporting import _bar_class
from chords_cli.pipelines.load.weights import Reading, file_sizes, weight_files

SIZES = {"text_encoder": 100, "transformer": 300, "vae": 20}


def write(folder, sizes):
    folder.mkdir(parents=True)
    for name, size in sizes.items():
        (folder / name).write_bytes(b"\0" * size)


def heard(words):
    """What is told of these words of the libraries' bars."""
    told = []
    reading = Reading(lambda *what: told.append(what))
    reading.expect(SIZES)
    for word in words:
        reading.hear(*word)
    return told


def test_variants_beside_the_weights_are_not_counted(tmp_path):
    write(tmp_path / "vae", {"model.safetensors": 5, "model.fp16.safetensors": 3, "config.json": 9})
    assert [file.name for file in weight_files(tmp_path / "vae")] == ["model.safetensors"]
    assert file_sizes({name: tmp_path / name for name in ("vae", "scheduler")}) == {"vae": 5}


def test_a_variant_alone_is_what_there_is(tmp_path):
    write(tmp_path / "vae", {"model.fp16.safetensors": 3})
    assert file_sizes({"vae": tmp_path / "vae"}) == {"vae": 3}


def test_a_component_counts_as_read_when_the_next_begins():
    words = [("text_encoder", 0, 4), ("transformer", 1, 4), ("vae", 2, 4)]
    assert heard(words) == [
        ("text_encoder", 0, 420),
        ("transformer", 100, 420),
        ("vae", 400, 420),
    ]


def test_shards_and_tensors_are_shares_of_the_component_that_they_belong_to():
    words = [("transformer", 0, 4), ("Loading checkpoint shards", 1, 3), ("Loading weights", 3, 3)]
    assert heard(words) == [
        ("transformer", 0, 420),
        ("transformer", 100, 420),
        ("transformer", 300, 420),
    ]


def test_components_without_weights_and_what_comes_before_them_say_nothing():
    assert heard([("Loading weights", 1, 2), ("tokenizer", 0, 4)]) == []


def test_a_bar_tells_the_name_of_a_component_as_it_begins_and_other_pieces_when_they_are_done():
    told = []
    bar = _bar_class(object, lambda *what: told.append(what))
    for _ in bar([("vae", ("diffusers", "X"))], desc="Loading pipeline components..."):
        told.append("loading")
    for _ in bar(["a.safetensors"], desc="Loading checkpoint shards"):
        told.append("reading")
    assert told == [("vae", 0, 1), "loading", "reading", ("Loading checkpoint shards", 1, 1)]
