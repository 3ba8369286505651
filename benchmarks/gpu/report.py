"""The document of a run as a table for people."""

from collections.abc import Iterator
from typing import Any

from benchmarks.gpu.models import Model, models
from benchmarks.gpu.predict import NOTE

Notes = dict[str, Any]


def table(document: Notes) -> str:
    """Everything that was found, and what was not and why."""
    found = {one["name"]: one for one in document["sections"]}
    lines = [*_machine(found)]
    for name, model in models(tiny=document["settings"]["tiny"]).items():
        lines += ["", *_model(name, model, found)]
    lines += ["", *_messages(found)]
    for name, predicted in document["predicted"].items():
        lines += ["", *_predicted(name, predicted)]
    lines += ["", *_gains(found)]
    return "\n".join([*lines, "", *_sections(document)]) + "\n"


def _machine(found: dict[str, Notes]) -> Iterator[str]:
    about = found["machine"]["notes"]
    if "versions" not in about:
        yield f"device: {found['machine']['error']}"
        return
    versions = about["versions"]
    where = about["device"]
    if "name" in about:
        where = (
            f"{about['name']}, {_gb(about['total'])} ({_gb(about['free'])} free), "
            f"driver {about['driver']}, CUDA {versions['cuda']}"
        )
    yield f"{where}; {about['cpus']} CPU cores, {_gb(about['memory'])}; {about['date']}"
    named = ("chords", "torch", "diffusers", "transformers", "python")
    yield ", ".join(f"{name} {versions[name]}" for name in named)


def _model(name: str, model: Model, found: dict[str, Notes]) -> Iterator[str]:
    built = found[f"build {name}"]["notes"].get("parameters", {})
    size = f"{built['transformer'] / 1e9:.2f} B random parameters, " if built else ""
    yield f"{model.title}: {size}bfloat16, {model.size}; tiny text encoders"
    yield from _against_stock(found[f"{name} against stock"]["notes"])
    for section, one in found.items():
        if section.startswith(f"{name}, "):
            yield from _sharing(one["notes"])
    yield from _command(found.get(f"{name} by the command", {"notes": {}})["notes"])


def _against_stock(notes: Notes) -> Iterator[str]:
    stock, core = notes.get("stock", {}), notes.get("core", {})
    if "step" in stock:
        yield _row(
            "stock diffusers",
            f"{_ms(stock['step'])} a step; median of {notes['repeats']} runs of {notes['steps']} "
            "steps, after a warm-up",
        )
    if "device_bytes" in stock:
        yield _row("", _memory([[stock["device_bytes"], None]]))
    if "failed" in core:
        yield _row("one core", f"failed: {core['failed']}")
    if "step" in core:
        over = 100 * (notes["core_over_stock"] - 1)
        yield _row(
            "one core",
            f"{_ms(core['step'])} a step, {over:+.2f} % (median of pairs, in turns with stock)",
        )
        yield _row("", _equal(core))
        yield _row("", f"{_began(core)}, {_around(core)}")
        yield _row("", _memory(core["peak_memory"]))


def _sharing(notes: Notes) -> Iterator[str]:
    if "contexts" in notes:
        yield from _apart(notes)
    elif "members" in notes:
        yield from _split(notes)
    if "cores" not in notes:
        return
    if "skipped" in notes:
        yield _row(f"{notes['cores']} cores share it", f"skipped: {notes['skipped']}")
    elif "load" in notes:
        yield _row(f"{notes['cores']} cores share it", _began(notes))
    for algo in ("chords", "wavefront"):
        if algo in notes:
            run = notes[algo]
            yield _row(
                f"  {algo}",
                f"{run['seconds']:.2f} s until core 0's {notes['steps']} steps are done, "
                f"{run['evaluations']} steps in all; {_runs(run['repeats'])}",
            )
            yield _row("", f"core 0's {_equal(run)}; {_around(run)}")
            yield _row("", _memory(run["peak_memory"]))


def _split(notes: Notes) -> Iterator[str]:
    if "skipped" in notes:
        yield _row("one core x 2", f"skipped: {notes['skipped']}")
    elif "step" in notes:
        yield _row("one core x 2", f"{_ms(notes['step'])} a step: both halves share the device")
        yield _row("", _equal(notes))
        yield _row("", _memory(notes["peak_memory"]))


def _apart(notes: Notes) -> Iterator[str]:
    what = f"tokens on {notes['members']}" if notes["contexts"] > 1 else "halves on 2"
    if "skipped" in notes:
        yield _row(what, f"skipped: {notes['skipped']}")
    elif "step" in notes:
        gain = f", {notes['gain']:.2f}x of one device" if notes["gain"] else ""
        yield _row(what, f"{_ms(notes['step'])} a step{gain}")
        yield _row("", _equal(notes))
        yield _row("", _memory(notes["peak_memory"]))


def _command(notes: Notes) -> Iterator[str]:
    if "seconds" not in notes:
        return
    whole, prompt = notes["seconds"], notes["prompt_seconds"]
    yield _row(
        f"chords {notes['kind']} -k 2",
        f"{_began(whole)}, sample {prompt['sample']:.2f} s ({notes['steps']} steps), "
        f"{_around(prompt)}, in all {whole['total']:.1f} s; once",
    )
    yield _row("", f"core 0's {_equal(notes)}")


def _gains(found: dict[str, Notes]) -> Iterator[str]:
    """What to write into gains.yaml (`chords_cli.presets.gains`): of several models the least."""
    gains: dict[int, float] = {}
    for one in found.values():
        notes = one["notes"]
        if gain := notes.get("gain"):
            contexts = notes["contexts"]
            gains[contexts] = min(gain, gains.get(contexts, gain))
    if not gains:
        yield "gains.yaml: needs two GPUs to be measured"
        return
    yield "gains.yaml, beside the folder of your presets:"
    if split := gains.pop(1, None):
        yield f"  split: {split:.2f}"
    if gains:
        yield f"  context: {{{', '.join(f'{n}: {gain:.2f}' for n, gain in sorted(gains.items()))}}}"


def _messages(found: dict[str, Notes]) -> Iterator[str]:
    every = {name: one["notes"] for name, one in found.items() if name.startswith("messages of ")}
    chains = {name: notes["chains"] for name, notes in every.items() if "chains" in notes}
    if not chains:
        yield "messages of a round: not measured"
        return
    yield "messages of a round, latents on the device, milliseconds (benchmarks.hops, bare)"
    heads = "".join(f"{head:>9}" for head in ("chain", "90 %", "own"))
    yield f"  {'latent of':<10}{'':>10}{'cores':>7}{heads}"
    for section, measured in chains.items():
        model = section.removeprefix("messages of ")
        for chain in measured:
            cells = "".join(f"{chain[cell]:9.2f}" for cell in ("median", "p90", "own"))
            yield f"  {model:<10}{chain['megabytes']:>7g} MB{chain['cores']:>7}{cells}"


def _predicted(name: str, predicted: Notes | None) -> Iterator[str]:
    if not predicted:
        yield f"{name} on separate GPUs: not predicted, something it needs was not measured"
        return
    costs = predicted["costs"]
    yield (
        f"{name} on separate GPUs: {NOTE.upper()}; from {_ms(costs['step'])} a step, with encode "
        "and decode"
    )
    heads = ("rounds", "stock s", "total s", "speed-up")
    yield f"  {'steps':>7}  {'algorithm':<10}{'GPUs':>5}" + "".join(f"{head:>10}" for head in heads)
    for row in predicted["rows"]:
        yield (
            f"  {row['steps']:>7}  {row['algo']:<10}{row['cores']:>5}{row['rounds']:>10}"
            f"{row['stock_total']:>10.2f}{row['total']:>10.2f}{row['speedup']:>9.2f}x"
        )


def _sections(document: Notes) -> Iterator[str]:
    yield f"{document['seconds']:.0f} s in all"
    for one in document["sections"]:
        why = f": {one['error']}" if one["error"] else ""
        yield f"  {one['name']:<20}{one['seconds']:>7.1f} s  {one['state']}{why}"


def _row(name: str, what: str) -> str:
    return f"  {name:<20}{what}"


def _began(notes: Notes) -> str:
    return f"start {notes['start']:.1f} s, load {notes['load']:.1f} s"


def _around(notes: Notes) -> str:
    return f"encode {notes['encode']:.3f} s, decode {notes['decode']:.2f} s"


def _runs(repeats: int) -> str:
    return "once" if repeats == 1 else f"median of {repeats}"


def _equal(notes: Notes) -> str:
    equal = notes.get("equals_stock")
    if equal is None:
        return "latent was not compared"
    if equal:
        return "latent equals stock's bit for bit"
    return f"latent is NOT stock's, RMS {notes.get('rms_to_stock', float('nan')):.3g}"


def _memory(peaks: list[list[int | None]]) -> str:
    """Peaks of the device and of the host, by rank."""
    told = []
    for place, sizes in zip(("device", "host"), zip(*peaks, strict=True), strict=True):
        if None not in sizes:
            told.append(f"{place} {', '.join(f'{size / 1e9:.1f}' for size in sizes)} GB")
    return f"peak memory: {'; '.join(told) or 'not told'}"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms"
