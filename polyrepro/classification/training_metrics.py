"""Metrics of training: of the predictions that the steps made anyway, part by part of an epoch."""

import torch
from torch import Tensor

from polyrepro.classification.failures import require_finite
from polyrepro.classification.metric_sums import Metrics
from polyrepro.classification.state import TrainingState
from polyrepro.running.processes import Processes

PENDING_LOGITS = 100_000
"""Metrics are summed over so many logits at a time: for few of them it costs 5 % of a step of the
embedded network to call that many small operations, while a pass over ImageNet has more."""


class TrainingMetrics:
    """Sums up the predictions of training in a state, from where a checkpoint takes them."""

    def __init__(
        self, run_id: str, state: TrainingState, metrics: Metrics, processes: Processes
    ) -> None:
        self._run_id, self._state, self._metrics = run_id, state, metrics
        self._processes = processes

    def add(self, logits: Tensor, targets: Tensor) -> None:
        """Count the predictions of a forward pass, now or together with later ones."""
        pending = self._state.pending
        pending.append((logits.detach().float(), targets))
        if sum(earlier.numel() for earlier, _ in pending) >= PENDING_LOGITS:
            self._sum_pending()

    def end_part(self) -> dict[str, float]:
        """The metrics of a part of the epoch; all processes have to call this.

        Raises:
            TrainingError: if a metric is not finite.
        """
        state = self._state
        self._sum_pending()
        metrics = self._values(state.part)
        state.whole += state.part
        state.part.zero_()
        return metrics

    def end_epoch(self) -> dict[str, float]:
        """The metrics of the whole epoch, whose last part ends here, too.

        Raises:
            TrainingError: if a metric is not finite.
        """
        state = self._state
        self._sum_pending()
        state.whole += state.part
        metrics = self._values(state.whole)
        state.part.zero_()
        state.whole.zero_()
        return metrics

    def _sum_pending(self) -> None:
        if self._state.pending:
            logits, targets = map(torch.cat, zip(*self._state.pending, strict=True))
            self._state.part += self._metrics.sums(logits, targets)
            self._state.pending.clear()

    def _values(self, sums: Tensor) -> dict[str, float]:
        metrics = self._metrics.values(self._processes.gathered(sums).sum(dim=0))
        what = f"the training up to step {self._state.position}"
        require_finite(metrics, self._run_id, what, self._state.network)
        return metrics
