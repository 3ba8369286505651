"""What all tests share: nothing here makes a test depend on how fast the machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile("chords", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chords")
