"""Loaded by every Python that has this folder on PYTHONPATH; faults only where asked for."""

import os

if os.environ.get("FAULT_DIR"):
    import fault

    fault.install()
