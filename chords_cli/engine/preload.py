"""Imported once by the process that all workers are forked from, so that none of them pays for it.

Importing torch and diffusers takes seconds: eight workers that each did it on two CPU cores took
34 s to their first barrier, forked ones 6 s. Nothing else may import this module.
"""

import contextlib
import os

from chords_cli.engine.logs import redirect_output
from chords_cli.engine.start import LOG_VARIABLE, PIPELINE_VARIABLE
from chords_cli.errors import ChordsError
from chords_cli.pipelines.load.reporting import set_environment, without_collection

try:
    redirect_output(os.environ[LOG_VARIABLE])
except FileNotFoundError:
    raise SystemExit from None  # the process that wanted this one is gone, with its log
set_environment()

with without_collection():
    import torch.utils.serialization.config  # noqa: F401  which reading a first tensor imports

    from chords_cli.engine.worker import run_worker  # noqa: F401
    from chords_cli.pipelines.load.loading import pipeline_class

    with contextlib.suppress(ChordsError, RuntimeError):
        # diffusers imports a class when it is asked for; a wrong name is reported by the workers
        pipeline_class(os.environ[PIPELINE_VARIABLE])
