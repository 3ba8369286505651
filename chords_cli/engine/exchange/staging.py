"""How latents leave a device and reach it without stopping it.

On the host a latent that leaves is copied, and one that arrives is read in place. An accelerator
works through a queue of its own, which the loop of a pipeline keeps filled and never waits for. So
copies go through pinned memory on streams of their own, and threads wait until the device has come
so far. The loop waits for nothing but a latent that must arrive.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

from chords_cli.engine.exchange.background import BackgroundThread
from chords_cli.pipelines.load.accelerator import has_streams, make_current, module_of


class Staging(Protocol):
    """The way between a device and the host memory that processes exchange latents through.

    Attributes:
        shares: Whether latents may lie in memory that a neighbour maps.
    """

    shares: bool

    def parcel(self, elements: int) -> Tensor:
        """Returns host memory for that many float32 numbers, of any value."""
        ...

    def release(self, parcel: Tensor) -> None:
        """Takes back what `parcel` gave: nobody reads or writes it any more."""
        ...

    def send(self, latent: Tensor, room: Tensor, post: Callable[[], Any]) -> Callable[[], Any]:
        """Copies `latent`, which nobody changes any more, into `room`, and then calls `post`.

        Returns what waits for `post` and gives its result.
        """
        ...

    def receive(self, arrived: Tensor, like: Tensor) -> Tensor:
        """Returns `arrived`, which lies on the host, on the device of `like`.

        It may be `arrived` itself, and is then read for as long as that is not released.
        """
        ...

    def report(
        self, make: Callable[[], Tensor] | None, then: Callable[[Tensor | None], None]
    ) -> None:
        """Calls `then` when the device has done its work so far, with what `make` gives.

        What `make` gives reaches `then` on the host. It must not change anything that the work of
        the device reads. Both may happen in a thread, in order.

        Raises:
            Exception: What an earlier `then` has raised.
        """
        ...

    def run_in_background(self, task: Callable[[], None]) -> Future[None]:
        """Has the thread of the reports do something on the host; returns how to wait for it."""
        ...

    def finish(self) -> None:
        """Waits until every report has been made; raises what one of them has raised."""
        ...


def staging_for(device: torch.device) -> Staging:
    """Returns the way that suits a device."""
    return StreamStaging(device) if has_streams(device) else HostStaging()


class HostStaging:
    """For the host, and for devices that know one queue only.

    A thread makes the reports, under the next evaluation. Parcels are kept: the system
    has to clear fresh memory, which takes longer than what is done with it.
    """

    shares = True

    def __init__(self) -> None:
        self._background = BackgroundThread("chords-report")
        self._kept: list[Tensor] = []

    def parcel(self, elements: int) -> Tensor:
        while self._kept:
            if (parcel := self._kept.pop()).numel() == elements:  # else of another job's latents
                return parcel
        return torch.empty(elements)

    def release(self, parcel: Tensor) -> None:
        self._kept.append(parcel)

    def send(self, latent: Tensor, room: Tensor, post: Callable[[], Any]) -> Callable[[], Any]:
        room.copy_(latent)
        posted = post()
        return lambda: posted

    def receive(self, arrived: Tensor, like: Tensor) -> Tensor:
        return arrived.to(like.device)

    def report(
        self, make: Callable[[], Tensor] | None, then: Callable[[Tensor | None], None]
    ) -> None:
        self._background.submit(lambda: then(make().cpu() if make else None))

    def run_in_background(self, task: Callable[[], None]) -> Future[None]:
        return self._background.submit(task)

    def finish(self) -> None:
        self._background.finish()


class StreamStaging:
    """For an accelerator with streams: one for what leaves, one for what arrives, one for reports.

    Two threads wait for the device, one for latents and one for reports, so that no latent waits
    for a report. Memory that a stream still reads is kept by whoever waits for that stream.
    """

    shares = False
    """Only pinned memory is copied beside the device's work."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._module = device, module_of(device)
        self._leaving, self._arriving, self._reporting = (
            self._module.Stream(device) for _ in range(3)
        )
        self._posters = ThreadPoolExecutor(1, "chords-post", make_current, (device,))
        self._background = BackgroundThread("chords-report", device)

    def parcel(self, elements: int) -> Tensor:
        return torch.empty(elements, pin_memory=True)

    def release(self, parcel: Tensor) -> None:
        """Lets go of it: torch keeps pinned memory, and knows which streams still read it."""

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
        done, value = self._mark(), None
        if make:
            with self._module.stream(self._reporting):
                self._reporting.wait_event(done)
                made = make()
                value = torch.empty(made.shape, dtype=made.dtype, pin_memory=True)
                value.copy_(made, non_blocking=True)
                done = self._mark()

        def wait_and_tell(_: Callable[[], Tensor] | None = make) -> None:  # holds what `make` holds
            done.synchronize()
            then(value)

        self._background.submit(wait_and_tell)

    def run_in_background(self, task: Callable[[], None]) -> Future[None]:
        return self._background.submit(task)

    def finish(self) -> None:
        self._background.finish()

    def _mark(self) -> Any:
        """Marks the place in the current stream behind everything that it has been given so far."""
        # a thread that waits for it sleeps, where a kind of device knows how
        event = self._module.Event(**({"blocking": True} if self._device.type == "cuda" else {}))
        event.record(self._module.current_stream(self._device))
        return event
