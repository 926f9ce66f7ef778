"""SIGTERM and SIGUSR1, by which a scheduler says that a job has to make room soon."""

import signal
from types import FrameType

from polyrepro.errors import PolyreproError

EXIT_STATUS = 75
"""What an interrupted command exits with (EX_TEMPFAIL): run it again and it goes on."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class InterruptedTrainingError(PolyreproError):
    """A run that was asked to stop, and has saved its state."""


class Interruption:
    """Inside `with`, notes the signals instead of dying of them; `requested` says so."""

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._previous: dict = {}

    def __enter__(self) -> "Interruption":
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = signal.Signals(number)
