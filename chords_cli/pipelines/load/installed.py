"""Says what torch was built for, and why a library cannot be imported, in the process that calls.

Nothing is imported before that: this module can be named where no torch is.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Libraries:
    """What the libraries say of themselves.

    Attributes:
        torch: Its version; None where it cannot be imported.
        build: What it was built for, such as `CUDA 12.8`.
        unusable: Why the accelerators that it was built for cannot be used; None where they can,
            or where it was built for none.
        broken: By name why a library, or the pipeline in it, cannot be imported.
    """

    torch: str | None
    build: str = ""
    unusable: str | None = None
    broken: dict[str, str] = field(default_factory=dict)


def look_at_libraries(pipeline: str) -> Libraries:
    """Imports torch and the class of the pipeline, and says what came of it."""
    try:
        import torch
    except Exception as error:  # noqa: BLE001 - what is broken may raise anything
        return Libraries(torch=None, broken={"torch": _said(error)})
    broken = {}
    try:
        from chords_cli.pipelines.load.loading import pipeline_class

        pipeline_class(pipeline)
    except Exception as error:  # noqa: BLE001
        broken["diffusers"] = _said(error)
    build, unusable = _build(torch.version), None
    if torch.version.cuda and not torch.cuda.is_available():
        try:
            torch.cuda.init()
        except Exception as error:  # noqa: BLE001
            unusable = _said(error)
    return Libraries(torch=torch.__version__, build=build, unusable=unusable, broken=broken)


def _build(version: object) -> str:
    """Names what torch was built for."""
    names = {"cuda": "CUDA", "hip": "ROCm", "xpu": "XPU"}
    found = {title: getattr(version, name, None) for name, title in names.items()}
    built = [f"{title} {number}" for title, number in found.items() if number]
    return built[-1] if built else "CPUs"


def _said(error: Exception) -> str:
    """Returns an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
