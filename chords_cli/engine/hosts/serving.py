"""Serves the terminal of another host: starts its workers here and passes their messages on."""

from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from chords_cli.engine.exchange.seal import derive
from chords_cli.engine.hosts.frames import Died, End, Frame, Kill, Piece, Start
from chords_cli.engine.hosts.link import Line, Link
from chords_cli.engine.hosts.watched import Worker
from chords_cli.engine.processes import Workers
from chords_cli.engine.start import StartMethod, preload, start_method, starting
from chords_cli.errors import ChordsError, Interrupted
from chords_cli.pipelines.load.spec import ModelSpec


class Server:
    """Serves one run of a terminal on another host.

    Args:
        line: To the terminal's host.
        terminal: The name of that.
        model: What workers load here: the same as there, from this host's disk.
        interface: Where this host meets the others.
        secret: What all hosts share.
    """

    def __init__(
        self, line: Line, terminal: str, model: ModelSpec, interface: str, secret: bytes
    ) -> None:
        self._secret = secret
        self._link, self._model, self._interface = Link(line, terminal), model, interface
        self._workers, self._running = Workers(), dict[int, Worker]()
        self._pipes, self._speaking = dict[int, Connection](), dict[Connection, int]()
        self._inbox, self._arriving = Pipe(duplex=False)
        self._method: StartMethod | None = None

    def serve(self) -> ChordsError | None:
        """Serves until the run is over; returns why it has failed, there or on the way there.

        Raises:
            ChordsError: No worker can be started here.
        """
        self._link.begin(self._hear, self._arriving.send)
        try:
            while (end := self._pass_on()) is None:
                pass
        except ChordsError as error:
            self._say(End(error))
            raise
        except Interrupted as error:
            self._say(End(ChordsError(error.message)))
            raise
        finally:
            self._workers.end(at_once=True)
            self._link.close()
        return end.error

    def _hear(self, frame: Frame) -> None:
        """Takes a frame in the background; a message reaches its worker while others are sent."""
        if not isinstance(frame, Piece):
            self._arriving.send(frame)
        elif pipe := self._pipes.get(frame.process):
            with suppress(OSError):  # it has just ended
                pipe.send_bytes(frame.data)

    def _pass_on(self) -> End | None:
        """Passes on what has happened; returns the end when it has come."""
        ends = {worker.process.sentinel: worker for worker in self._running.values()}
        ready = wait([self._inbox, *self._speaking, *ends])
        for pipe in [pipe for pipe in self._speaking if pipe in ready]:
            self._pass_message(pipe)
        for worker in [worker for end, worker in ends.items() if end in ready]:
            self._report_death(worker)
        return self._obey(self._inbox.recv()) if self._inbox in ready else None

    def _obey(self, word: Frame | ChordsError) -> End | None:
        match word:
            case Start(spec=spec):
                if self._method is None:
                    preload(self._model.pipeline)
                    self._method = start_method([spec.device])
                log = str(self._workers.folder / f"process-{spec.process}.log")
                own = replace(
                    spec,
                    model=self._model,
                    log=log,
                    interface=self._interface,
                    key=derive(self._secret, spec.key),
                )
                with starting():
                    worker = self._workers.begin(self._method.context, own)
                assert isinstance(worker.pipe, Connection), "it runs here"
                self._running[spec.process], self._pipes[spec.process] = worker, worker.pipe
                self._speaking[worker.pipe] = spec.process
            case Kill(process=number) if number in self._running:
                self._running[number].process.kill()
            case End():
                return word
            case ChordsError():
                return End(word)
        return None

    def _pass_message(self, pipe: Connection) -> None:
        """Passes on a worker's next message, or forgets its pipe if none will come."""
        try:
            data = pipe.recv_bytes()
        except (EOFError, OSError):
            del self._speaking[pipe]
            return
        with suppress(OSError):  # whoever listens to the terminal's host hears that it is gone
            self._link.send_message(self._speaking[pipe], data)

    def _report_death(self, worker: Worker) -> None:
        """Tells that a worker has ended, after all that it has said."""
        pipe = self._pipes[worker.spec.process]
        while pipe in self._speaking and pipe.poll():
            self._pass_message(pipe)
        self._speaking.pop(pipe, None)
        del self._running[worker.spec.process]
        self._say(Died(worker.spec.process, worker.process.exitcode, worker.last_line))

    def _say(self, frame: Frame) -> None:
        with suppress(OSError):
            self._link.send(frame)
