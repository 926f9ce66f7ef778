"""How a run is executed, as opposed to what it is: none of this is part of its identity."""

from dataclasses import dataclass

from polyrepro.running.interruption import Interruption
from polyrepro.running.processes import Processes


@dataclass(frozen=True)
class Execution:
    """Devices, signals and the like.

    Attributes:
        processes: this process and the others of the run.
        interruption: read after each step, to save and stop; None to go on whatever happens.
        deterministic: on a GPU, use only operators that give the same bits every time.
        workers: processes that read images for this one; 0 reads them here.
    """

    processes: Processes
    interruption: Interruption | None = None
    deterministic: bool = True
    workers: int = 0

    @property
    def stop_requested(self) -> bool:
        """Whether a signal has come to this process; the others may not have got one."""
        return self.interruption is not None and self.interruption.requested is not None
