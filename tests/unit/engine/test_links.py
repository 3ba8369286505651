"""What the driver says of the links between GPUs."""

import pytest

from chords_cli.engine.exchange import links

NVLINK = """
\tGPU0\tGPU1\tGPU2\tCPU Affinity\tNUMA Affinity
GPU0\t X \tNV18\tNV18\t0-31\t0
GPU1\tNV18\t X \tNV18\t0-31\t0
GPU2\tNV18\tNV18\t X \t32-63\t1

Legend:

  X    = Self
  NV#  = Connection traversing a bonded set of # NVLinks
"""
PCIE = NVLINK.replace("NV18\t0-31", "PHB\t0-31")
PAIRS = """
        GPU0    GPU1    GPU2    GPU3    NIC0
GPU0     X      NV12    SYS     SYS     PIX
GPU1    NV12     X      SYS     SYS     PIX
GPU2    SYS     SYS      X      NV12    SYS
GPU3    SYS     SYS     NV12     X      SYS
"""


@pytest.mark.parametrize(
    ("said", "fast"), [(NVLINK, True), (PCIE, False), (PAIRS, False), ("", False)]
)
def test_links_are_fast_where_every_two_gpus_have_one(
    said: str, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "_topology", lambda: said)
    assert links.have_fast_links(["cuda:0", "cuda:1"]) is fast


def test_one_gpu_and_other_devices_have_no_fast_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "_topology", lambda: NVLINK)
    assert not links.have_fast_links(["cuda:0"])
    assert not links.have_fast_links(["cpu", "cuda:0"])


def test_a_machine_without_the_tool_has_slow_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    links._topology.cache_clear()
    assert not links.have_fast_links(["cuda:0", "cuda:1"])
    links._topology.cache_clear()
