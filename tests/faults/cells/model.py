"""What the model and the memory do: nan, no memory left, a core that is much slower than others."""

from tests.faults.cells.phases import at
from tests.faults.driver import IMAGE, Cell

CELLS: list[Cell] = [
    *(
        Cell(
            phase="between rounds",
            what=f"the model makes {kind} on core {core}",
            fault=at("between rounds", kind, core),
            says=rf"^core {core} on cpu: (the latent after step \d+|output \d) is not finite: "
            "the model made nan or inf in float32$",
            hint="try a smaller --guidance; if that does not help, its weights may be damaged",
            kept=1,
            quick=(kind, core) == ("nan", 2),
            resumes=(kind, core) == ("inf", 3),
        )
        for kind in ("nan", "inf")
        for core in range(4)
    ),
    *(
        Cell(
            phase=phase,
            what=f"no memory on core {core}'s {'host' if kind == 'MemoryError' else 'device'}",
            fault=at(phase, kind, core),
            says=f"^core {core} on cpu: out of memory on cpu while {doing}$",
            hint="use a smaller --width, --height or --frames",
            quick=(kind, phase) in {("OutOfMemoryError", "loading"), ("MemoryError", "decoding")},
            resumes=(kind, phase) == ("OutOfMemoryError", "decoding"),
        )
        for kind in ("OutOfMemoryError", "MemoryError")
        for phase, core, doing in (
            ("loading", 1, "loading"),
            ("encoding", 0, "encoding the prompt"),
            ("first step", 2, "taking a step"),
            ("decoding", 3, "decoding"),
        )
    ),
    Cell(
        phase="between rounds",
        what="core 1 takes memory until it has none",
        fault=at("between rounds", "eat", 1),
        shell='ulimit -v 4000000; "$@"',
        says="^core 1 on cpu: out of memory on cpu while taking a step$",
        hint="use a smaller --width, --height or --frames",
        kept=1,
    ),
    *(
        Cell(
            phase="every round",
            what=f"core {core} is ten times slower",
            fault=f"step:{core}:slow",
            command=(*IMAGE[:-1], "8"),
            args=("--verbose",),
            code=0,
            kept=2,
            tells=rf"corrected by core {core}, which moved it by \S+ after \S+ m?s of waiting"
            if core < 3
            else "",
            quick=core == 1,
        )
        for core in range(4)
    ),
]
