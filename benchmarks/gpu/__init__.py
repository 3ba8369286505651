"""One GPU measured in minutes: cores against stock diffusers, messages, and what follows from them.

    python -m benchmarks.gpu --output gpu.json             # one GPU, at most eight minutes
    python -m benchmarks.gpu --tiny --device cpu           # the same program, tiny, to try it

Networks have their published sizes and random weights, text encoders are tiny: nothing is
downloaded, a step takes what it takes with the real weights, and encoding a prompt does not.

`models` says what is measured, `networks` builds it, `against_stock` and `sharing` measure it in
processes of their own, and so does `apart` where there are two GPUs. `sections` runs those one
after another, `predict` says what separate GPUs would take, `report` is the table. A section that
fails costs no other one.
"""
