"""What the modules of the softmax and the sigmoid form have in common."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from polyrepro.losses.checks import check_is_series, check_reduction
from polyrepro.losses.series import Series


class SeriesLoss(nn.Module):
    """A series, a weight, and the other arguments of ``function``, which computes the loss."""

    function: ClassVar[Callable[..., Tensor]]
    weight: Tensor | None

    def __init__(
        self, series: Series, weight: Tensor | None, *, reduction: str, **arguments: object
    ) -> None:
        super().__init__()
        check_is_series(series)
        check_reduction(reduction)
        self.series = series
        self.series_for_compilation = series.for_compilation()
        self.register_buffer("weight", weight)
        self.argument_names = (*arguments, "reduction")
        for name, value in {**arguments, "reduction": reduction}.items():
            setattr(self, name, value)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        series = self.series_for_compilation if torch.compiler.is_compiling() else self.series
        return self.function(input, target, series, weight=self.weight, **self._arguments())

    def extra_repr(self) -> str:
        arguments = (f"{name}={value!r}" for name, value in self._arguments().items())
        return ", ".join([self.series.describe(), *arguments])

    def _arguments(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.argument_names}
