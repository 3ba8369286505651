"""How latents leave a device and reach it without stopping it.

On the host both are plain copies. An accelerator works through a queue of its own, which the loop
of a pipeline keeps filled and never waits for. So copies go through pinned memory on streams of
their own, and threads wait until the device has come so far. The loop waits for nothing but a
latent that must arrive.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

from chords_cli.pipelines.load.accelerator import has_streams, make_current, module_of


class Staging(Protocol):
    """The way between a device and the host memory that processes exchange latents through."""

    def parcel(self, elements: int) -> Tensor:
        """Allocates host memory for that many float32 numbers, of any value."""
        ...

    def send(self, latent: Tensor, room: Tensor, post: Callable[[], Any]) -> Callable[[], Any]:
        """Copies `latent`, which nobody changes any more, into `room`, and then calls `post`.

        Returns what waits for `post` and gives its result.
        """
        ...

    def receive(self, arrived: Tensor, like: Tensor) -> Tensor:
        """Returns `arrived`, which lies on the host, on the device of `like`."""
        ...

    def report(
        self, make: Callable[[], Tensor] | None, then: Callable[[Tensor | None], None]
    ) -> None:
        """Calls `then` when the device has done its work so far, with what `make` gives.

        What `make` gives reaches `then` on the host. It must not change anything that the work of
        the device reads.

        Raises:
            Exception: What an earlier `then` has raised.
        """
        ...

    def finish(self) -> None:
        """Waits until every report has been made; raises what one of them has raised."""
        ...


def staging_for(device: torch.device) -> Staging:
    """Returns the way that suits a device."""
    return StreamStaging(device) if has_streams(device) else HostStaging()


class HostStaging:
    """For the host, and for devices that know one queue only: everything happens at once."""

    def parcel(self, elements: int) -> Tensor:
        return torch.empty(elements)

    def send(self, latent: Tensor, room: Tensor, post: Callable[[], Any]) -> Callable[[], Any]:
        room.copy_(latent)
        posted = post()
        return lambda: posted

    def receive(self, arrived: Tensor, like: Tensor) -> Tensor:
        return torch.empty_like(like, dtype=arrived.dtype).copy_(arrived)

    def report(
        self, make: Callable[[], Tensor] | None, then: Callable[[Tensor | None], None]
    ) -> None:
        then(make().cpu() if make else None)

    def finish(self) -> None:
        """Returns at once: nothing is left to wait for."""


class StreamStaging:
    """For an accelerator with streams: one for what leaves, one for what arrives, one for reports.

    Two threads wait for the device, one for latents and one for reports, so that no latent waits
    for a report. Memory that a stream still reads is kept by whoever waits for that stream.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._module = device, module_of(device)
        self._leaving, self._arriving, self._reporting = (
            self._module.Stream(device) for _ in range(3)
        )
        self._posters, self._reporters = (
            ThreadPoolExecutor(1, name, make_current, (device,))
            for name in ("chords-post", "chords-report")
        )
        self._reports: deque[Future[None]] = deque()

    def parcel(self, elements: int) -> Tensor:
        return torch.empty(elements, pin_memory=True)

    def send(self, latent: Tensor, room: Tensor, post: Callable[[], Any]) -> Callable[[], Any]:
        ready = self._mark()
        with self._module.stream(self._leaving):
            self._leaving.wait_event(ready)
            room.copy_(latent, non_blocking=True)
            left = self._mark()

        def wait_and_post(_: Tensor) -> Any:
            left.synchronize()
            return post()

        return self._posters.submit(wait_and_post, latent).result

    def receive(self, arrived: Tensor, like: Tensor) -> Tensor:
        current = self._module.current_stream(self._device)
        with self._module.stream(self._arriving):
            latent = torch.empty_like(like, dtype=arrived.dtype).copy_(arrived, non_blocking=True)
            done = self._mark()
        current.wait_event(done)
        latent.record_stream(current)
        return latent

    def report(
        self, make: Callable[[], Tensor] | None, then: Callable[[Tensor | None], None]
    ) -> None:
        while self._reports and self._reports[0].done():
            self._reports.popleft().result()
        done, value = self._mark(), None
        if make:
            with self._module.stream(self._reporting):
                self._reporting.wait_event(done)
                made = make()
                value = torch.empty(made.shape, dtype=made.dtype, pin_memory=True)
                value.copy_(made, non_blocking=True)
                done = self._mark()

        def wait_and_tell(_: Callable[[], Tensor] | None) -> None:
            done.synchronize()
            then(value)

        self._reports.append(self._reporters.submit(wait_and_tell, make))

    def finish(self) -> None:
        while self._reports:
            self._reports.popleft().result()

    def _mark(self) -> Any:
        """Marks the place in the current stream behind everything that it has been given so far."""
        # a thread that waits for it sleeps, where a kind of device knows how
        event = self._module.Event(**({"blocking": True} if self._device.type == "cuda" else {}))
        event.record(self._module.current_stream(self._device))
        return event
