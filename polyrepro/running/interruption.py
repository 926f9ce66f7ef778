"""The signals that stop a training: SIGTERM and SIGUSR1 of schedulers, SIGINT of Ctrl-C."""

import os
import signal
from types import FrameType

from polyrepro.errors import PolyreproError

EXIT_STATUS = 75
"""What an interrupted command exits with (EX_TEMPFAIL): run it again and it goes on."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
ON_CTRL_C = b"\nstopping with a checkpoint after this step; Ctrl-C again stops without one\n"


class InterruptedTrainingError(PolyreproError):
    """A run that was interrupted and has saved its state."""


class Interruption:
    """Inside `with`, notes the signals instead of dying of them; `requested` says which one came.

    A second Ctrl-C is a `KeyboardInterrupt`, as it would be without this.
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._previous: dict = {}
        self._process = os.getpid()

    def __enter__(self) -> "Interruption":
        self._process = os.getpid()
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = self.requested == signal.SIGINT == number
        self.requested = signal.Signals(number)
        if os.getpid() != self._process:
            return  # a forked reader of images: the process that it reads for decides
        if again:
            raise KeyboardInterrupt
        if number == signal.SIGINT:
            os.write(2, ON_CTRL_C)  # print may not be used in a handler: it may interrupt a print


def interrupted(
    run_id: str, position: int, interruption: Interruption | None
) -> InterruptedTrainingError:
    """The error that ends a run after its checkpoint was saved.

    Args:
        position: steps done.
        interruption: of this process; the signal may have come to another one.
    """
    requested = interruption and interruption.requested
    return InterruptedTrainingError(
        f"{run_id} stopped after step {position} on "
        f"{requested.name if requested else 'a signal to another process'}, with a checkpoint; run "
        "the same command again to go on"
    )
