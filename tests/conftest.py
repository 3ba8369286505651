"""What all tests share: nothing here makes a test depend on how fast the machine is."""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("chords", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chords")

# Where tests run in the background of a shell, SIGINT is ignored, and all they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
