"""How a run is executed, as opposed to what it is: none of this is part of its identity."""

import sys
from dataclasses import dataclass, field

from polyrepro.running.interruption import Interruption
from polyrepro.running.processes import Processes
from polyrepro.running.progress import Progress


@dataclass(frozen=True)
class Execution:
    """Devices, signals and the like.

    Attributes:
        processes: this process and the others of the run.
        interruption: read after each step, to save and stop; None to go on whatever happens.
        deterministic: on a GPU, use only operators that give the same bits every time.
        workers: processes that read images for this one; 0 reads them here.
        progress: of the run that is trained, in rank 0.
        pass_parts: each training pass is made in so many, one after the other, to need less memory.
        notes: what the record has to say of how this run was executed.
    """

    processes: Processes
    interruption: Interruption | None = None
    deterministic: bool = True
    workers: int = 0
    progress: Progress | None = None
    pass_parts: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def stop_requested(self) -> bool:
        """Whether a signal has come to this process; the others may not have got one."""
        return self.interruption is not None and self.interruption.requested is not None

    def report(
        self, position: int, steps: int, history: list[dict], activity: str = "training"
    ) -> None:
        """Say where the training is; see `Progress.update`."""
        if self.progress is not None:
            self.progress.update(position, steps, history, activity)

    def note(self, run_id: str, text: str) -> None:
        """Say something on standard error that the record will say, too."""
        print(f"{run_id}: {text}", file=sys.stderr, flush=True)
        self.notes.append(text)
