"""Training curves for TensorBoard, if the configuration says `tensorboard: true`."""

import shutil
from pathlib import Path

from polyrepro.files import curves_folder
from polyrepro.runs import Run


class Curves:
    """The history of one training as TensorBoard's events: a tag `<metric>/<split>` each.

    They are written anew whenever a training starts or goes on, so that no step appears twice.

    Raises:
        ModuleNotFoundError: if TensorBoard, which has an extra of its own, is not installed.
    """

    def __init__(self, results: Path, run: Run) -> None:
        # Takes a second to import, and most trainings do without.
        from torch.utils.tensorboard import SummaryWriter

        folder = curves_folder(results, run.id)
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = SummaryWriter(str(folder))
        self._rows = 0

    def write(self, history: list[dict], steps_per_epoch: float) -> None:
        """Add the rows that are new since the last call; the horizontal axis is steps.

        Args:
            history: all rows so far.
            steps_per_epoch: to turn epochs into steps.
        """
        for row in history[self._rows :]:
            for name, value in row.items():
                if name not in ("epoch", "split") and value is not None:
                    step = round(row["epoch"] * steps_per_epoch)
                    self._writer.add_scalar(f"{name}/{row['split']}", value, step)
        self._rows = len(history)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left to the disk."""
        self._writer.close()
