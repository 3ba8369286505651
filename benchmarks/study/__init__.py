"""The parts of `benchmarks/rounds.py`: cells, arms, the models and their drift, tables, figure."""
