"""The parts of `benchmarks/fidelity.py`: models, arms, the peers' algorithms, previews, report."""
