"""Makes the lines of an examination, and writes their numbers."""

from dataclasses import dataclass

from chords_cli.errors import ChordsError, Spell
from chords_cli.records.doctor import Check, State


@dataclass(frozen=True, slots=True)
class Topic:
    """What several checks belong to."""

    name: str

    def ok(self, name: str, found: str, remedy: str = "") -> Check:
        """Says that all is well; a `remedy` is then only advice."""
        return self._make(name, "ok", found, remedy)

    def warn(self, name: str, found: str, remedy: str) -> Check:
        """Says that something is missing or odd, which a run may not need."""
        return self._make(name, "warn", found, remedy)

    def fail(self, name: str, found: str, remedy: str) -> Check:
        """Says that a run would not work."""
        return self._make(name, "fail", found, remedy)

    def refused(self, name: str, error: ChordsError, spell: Spell) -> Check:
        """Says what an error says."""
        return self.fail(name, *error.spelled(spell))

    def _make(self, name: str, state: State, found: str, remedy: str) -> Check:
        found, remedy = (" ".join(text.split()) for text in (found, remedy))
        return Check(topic=self.name, name=name, state=state, found=found, remedy=remedy)


INSTALLATION = Topic("installation")
MACHINE = Topic("machine")
DEVICES = Topic("devices")
MODEL = Topic("model")
CORES = Topic("cores")


def amount(count: int) -> str:
    """Returns `16.2 MB` or `23.8 GB`."""
    if count < 1_000_000:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:.1f} GB"


def span(seconds: float) -> str:
    """Returns `0.42 ms`, `35 ms` or `2.1 s`."""
    if seconds < 0.01:
        return f"{1e3 * seconds:.2g} ms"
    return f"{1e3 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
