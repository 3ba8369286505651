"""One run on several hosts: the terminal's gathers the others, and the others serve it.

All of them are started with the same line. Each resolves it by itself and finds its own files of
the model; what has to be the same is compared when they meet.
"""

import functools
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.engine.devices import checked_devices
from chords_cli.engine.exchange.launcher import find_published, publish
from chords_cli.engine.hosts.hello import Hello
from chords_cli.engine.hosts.network import (
    Address,
    Interface,
    check_own,
    find_address,
    find_interface,
    find_secret,
)
from chords_cli.engine.hosts.places import HostDevices, Place
from chords_cli.engine.start import ask
from chords_cli.errors import ChordsError, Interrupted, UsageError
from chords_cli.models.weights import model_folder, revision_here, sum_of
from chords_cli.pipelines.load.spec import ModelSpec, lora_part
from chords_cli.runs.generate.run import pool_settings, prepare
from chords_cli.runs.outputs.recipe import environment
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.settings import Settings

if TYPE_CHECKING:
    from chords_cli.engine.hosts.remote import Hosts

_SAME = ("chords", "torch", "diffusers", "transformers")
"""The packages that have to be the same on all hosts."""

_CALLED = {"folder": "the model's revision", "loras": "the LoRAs"}
"""Maps what hosts compare to what users read of it; other names are those of `ModelSpec`."""

_TELL_SECONDS = 8.0
"""How long a host tries to tell the terminal's why it cannot take part."""

Say = Callable[[str], None]
"""Shows the user a line."""


def alone(request: Request, place: Place) -> Request:
    """Returns the request as this host resolves it, as if all others had its devices.

    A launcher counts processes, so each of them brings one device.
    """
    if place.local is not None:
        devices = _own_devices(request)
        request = replace(request, devices=devices[place.local % len(devices)])
    return replace(request, hosts=HostDevices(place=place))


def check_way(place: Place) -> tuple[bytes, Address, Interface]:
    """Returns the secret, where the hosts meet and the way there.

    Raises:
        UsageError: This host has no secret, or no way there.
    """
    secret = find_secret()
    address = find_address(place.master, one_host=place.one_host)
    if place.number == 0:
        check_own(address)
    return secret, address, find_interface(address)


@contextmanager
def gathered(request: Request, place: Place, say: Say) -> Iterator["Hosts"]:
    """Waits for all other hosts; tells them in the end how the run has ended.

    Raises:
        ChordsError: This host cannot take part, or another one cannot, differs, or did not come.
    """
    from chords_cli.engine.hosts.meeting import Door
    from chords_cli.engine.hosts.remote import Hosts

    if request.from_latent:
        raise UsageError(
            "{from_latent} decodes on one device", "start it on one host", {"from_latent": None}
        )
    secret, address, interface = check_way(place)
    request = alone(request, place)
    hello = _hello(request, prepare(request, starts=True).settings, place)[0]
    hosts = Hosts(interface, secret)
    door = Door(Address(ip=address.ip, port=0) if place.agent else address, secret)
    try:
        try:
            if place.agent:
                ask(functools.partial(publish, place.master, request.timeout, str(door.address)))
            names = [replace(place, number=k).name for k in range(1, place.count)]
            others = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
            say(f"waiting for {others} at {door.address} ({interface.name})")
            for guest in door.guests(hello, request.timeout, say, hosts.check):
                hosts.welcome(guest)
        finally:
            door.close()
        hosts.settle(place, hello.devices)
        yield hosts
    except BaseException as error:
        hosts.end(_told(error, place))
        raise
    hosts.end()


def serve(request: Request, place: Place, say: Say) -> ChordsError | None:
    """Serves the terminal's host until the run is over; returns why it has failed, if not here.

    Raises:
        ChordsError: This host cannot take part or go on.
    """
    from chords_cli.engine.hosts.meeting import come
    from chords_cli.engine.hosts.serving import Server

    secret, address, interface = check_way(place)
    if place.agent:
        found = ask(functools.partial(find_published, place.master, request.timeout))
        address = find_address(found or place.master, one_host=place.one_host)
    try:
        request = alone(replace(request, prompts=("-",), prompt_file=None, resume=False), place)
        hello, model = _hello(request, resolve(request, starts=True), place)
    except ChordsError as error:
        trouble = replace(_name(place), trouble=(error.message, error.hint))
        with suppress(ChordsError):
            come(address, interface, secret, trouble, _TELL_SECONDS)
        raise
    say(f"{place.name} serves {address} ({interface.name}) with {', '.join(hello.devices)}")
    line = come(address, interface, secret, hello, request.timeout)
    terminal = f"{replace(place, number=0).name} at {address}"
    failed = Server(line, terminal, model, interface.name, secret).serve()
    if failed is None:
        say(f"{terminal} is done")
    return failed


def _told(error: BaseException, place: Place) -> ChordsError:
    """Returns the error that all hosts show when this one ends the run."""
    if isinstance(error, ChordsError):
        return error
    why = error.message if isinstance(error, Interrupted) else f"{type(error).__name__}: {error}"
    return ChordsError(f"{place.name} ({socket.gethostname()}): {why}")


def _hello(request: Request, settings: Settings, place: Place) -> tuple[Hello, ModelSpec]:
    """Returns what this host says of itself, and the model as it loads it.

    Raises:
        UsageError: The model is not here.
    """
    folder = model_folder(settings.preset)
    model = pool_settings(settings, folder).model
    facts = {name: str(version) for name, version in environment().items() if name in _SAME}
    options = {name: json.dumps(value) for name, value in asdict(model).items() if value}
    loras = ((Path(lora_part(source)[0]), scale) for source, scale in model.loras)
    own = {
        "folder": revision_here(settings.preset),
        "loras": ", ".join(f"{sum_of([file])}={scale:g}" for file, scale in loras),
        "parts": ", ".join(sorted(model.parts)),  # "folder" tells which
        "adapters": ", ".join(f"{scale:g}" for _, scale in model.adapters),
    }
    facts |= {_CALLED.get(name, name): value for name, value in (options | own).items()}
    return replace(_name(place), devices=_own_devices(request), facts=facts), model


def _name(place: Place) -> Hello:
    host = socket.gethostname()
    return Hello(number=place.number, count=place.count, local=place.local, host=host)


def _own_devices(request: Request) -> tuple[str, ...]:
    """Returns the devices that this process brings."""
    given = request.devices
    return checked_devices([name.strip() for name in given.split(",")] if given else [])
