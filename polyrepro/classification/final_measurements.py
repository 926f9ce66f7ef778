"""What is measured after the last epoch only: each image's prediction, and the temperature."""

import torch
from torch import Tensor

from polyrepro.classification.metric_sums import Metrics, target_log_probability
from polyrepro.classification.predictions import Predictions
from polyrepro.classification.temperature import fit_temperature
from polyrepro.running.processes import Processes


class FinalMeasurements:
    """Takes the logits of the validation split, then those of the test split.

    The temperature is fitted on validation images, whose logits are kept until then (in every
    process its own, on the device: 2.2 GB in all for 25,000 images of 21,843 classes); the logits
    of test images are not kept.

    Attributes:
        predictions: by split, for the splits that have ended; every process has all of them.
    """

    def __init__(self, metrics: Metrics, processes: Processes) -> None:
        self.predictions: dict[str, Predictions] = {}
        self._metrics, self._processes = metrics, processes
        self._rows: list[Tensor] = []
        self._validation: list[tuple[Tensor, Tensor]] = []
        self._temperature: float | None = None
        self._scaled = metrics.none(processes.device)

    def add(self, logits: Tensor, targets: Tensor) -> None:
        """The next batch of this process."""
        logits = logits.float()
        log_p = logits.log_softmax(dim=1)
        pt = target_log_probability(log_p, targets).exp()
        self._rows.append(torch.stack([log_p.argmax(dim=1).double(), pt.double()], dim=1))
        if self._temperature is None:
            self._validation.append((logits, targets))
        else:
            self._scaled += self._metrics.sums(logits / self._temperature, targets)

    def end(self, split: str) -> dict[str, float]:
        """The end of a split; all processes have to call this.

        Returns:
            For the test split, `temperature`, and `cross_entropy_scaled` and `ece_scaled`: the
            metrics without the suffix, of the logits divided by it.
        """
        rows = gathered_in_order(self._rows, self._processes).numpy()
        self._rows.clear()
        self.predictions[split] = Predictions(
            rows[:, 0].astype("uint16"), rows[:, 1].astype("float32")
        )
        if self._temperature is None:
            self._temperature = fit_temperature(self._validation, self._processes)
            self._validation.clear()
            return {}
        scaled = self._metrics.values(self._processes.gathered(self._scaled).sum(dim=0))
        return {
            "temperature": self._temperature,
            "cross_entropy_scaled": scaled["cross_entropy"],
            "ece_scaled": scaled["ece"],
        }


def gathered_in_order(batches: list[Tensor], processes: Processes) -> Tensor:
    """The rows of all batches of all processes, on the CPU, in the order of the split.

    Args:
        batches: (images, columns) each, float64 without NaN in the first column. With n processes,
            batch k of process r is number k n + r of the split; a process that has none gives an
            empty list, but all processes have to call this.
    """
    columns = 2
    own = torch.tensor([len(batches), max(map(len, batches), default=0)])
    steps, size = processes.gathered(own).amax(dim=0).tolist()
    padded = torch.full((steps, size, columns), float("nan"), dtype=torch.float64)
    for place, batch in zip(padded, batches, strict=False):
        place[: len(batch)] = batch
    rows = processes.gathered(padded).transpose(0, 1).reshape(-1, columns)
    return rows[~rows[:, 0].isnan()]
