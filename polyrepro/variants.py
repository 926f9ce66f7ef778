"""What distinguishes the trainings of a study: a loss by name, and a label for people to read."""

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from polyrepro.recipes import Frozen

if TYPE_CHECKING:
    from polyrepro.losses import Series

REFERENCE = "cross_entropy"
"""Name of plain cross-entropy, with which most studies compare."""

POLY_SERIES = "PolySeries"
"""The name of the paper's own family in `polyrepro.losses`."""

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

Argument = bool | int | float | str | tuple[float, ...]
"""What an argument of a series may be in a study, a record and an identity."""


class Loss(Frozen):
    """A loss: a series by name with its arguments. Without any it is cross-entropy.

    Attributes:
        series: name of a class of `polyrepro.losses`, or `package.module:Class` for one from
            anywhere; see docs/losses/adding_a_series.md.
        arguments: of that class.
        label_smoothing: in [0, 1]; None leaves it to the recipe.
        alpha: of a classifier of two classes: the weight of the second one, 1 - alpha that of the
            first, in a mean weighted by them; None, or 0.5, is the plain mean.
    """

    series: str = Field(default=POLY_SERIES, pattern=r"^([A-Za-z_][\w.]*:)?[A-Za-z_]\w*$")
    arguments: dict[str, Argument] = Field(default={})
    label_smoothing: float | None = Field(default=None, ge=0, le=1)
    alpha: float | None = Field(default=None, gt=0, lt=1)

    @property
    def is_poly(self) -> bool:
        """Whether it is of the paper's family, which has coefficients."""
        return self.series == POLY_SERIES

    @property
    def epsilon(self) -> tuple[float, ...]:
        """e_1 .. e_N of the paper's family; empty for cross-entropy and for any other series."""
        given = self.arguments.get("epsilon", ()) if self.is_poly else ()
        return given if isinstance(given, tuple) else (float(given),)

    @property
    def terms(self) -> int | None:
        """Number of terms that are kept, for a truncated series of the paper's family."""
        given = self.arguments.get("terms") if self.is_poly else None
        return given if isinstance(given, int) else None

    @property
    def gamma(self) -> float:
        """Focal exponent of the paper's family."""
        given = self.arguments.get("gamma") if self.is_poly else None
        return float(given) if isinstance(given, int | float) else 0.0

    def after(self, epsilon: tuple[float, ...]) -> "Loss":
        """The same loss with these coefficients before its own."""
        if not epsilon:
            return self
        return self.model_copy(
            update={"arguments": self.arguments | {"epsilon": (*epsilon, *self.epsilon)}}
        )

    def build(self) -> "Series":
        """The series, ready to be computed with.

        Raises:
            ValueError, TypeError: if there is no such series, or it refuses an argument.
        """
        from polyrepro.losses import series_by_name

        return series_by_name(self.series, self.arguments)

    @property
    def label(self) -> str:
        """In a reader's words, e.g. `Poly-2 (ε₁ = 3, ε₂ = 1)`, `first 5 terms`, `HardGate`."""
        return _with_details(self.family, self.details())

    def details(self) -> list[str]:
        """What stands in the parentheses of the label."""
        if self.is_poly:
            found = [
                f"ε{str(j).translate(SUBSCRIPTS)} = {coefficient(e)}"
                for j, e in enumerate(self.epsilon, start=1)
            ]
            found += [f"γ = {self.gamma:g}"] if self.gamma else []
        else:
            found = [f"{name} = {_shown(value)}" for name, value in self.arguments.items()]
        if self.label_smoothing is not None:
            found.append(f"label smoothing {self.label_smoothing:g}")
        if self.alpha is not None:
            found.append(f"α = {self.alpha:g}")
        return found

    @property
    def family(self) -> str:
        """The label without its parentheses."""
        if not self.is_poly:
            return self.series.rpartition(":")[2]
        if self.terms is not None:
            return "first term" if self.terms == 1 else f"first {self.terms} terms"
        if self.epsilon:
            return f"Poly-{len(self.epsilon)}"
        return "focal" if self.gamma else "cross-entropy"


def poly_loss(
    epsilon: tuple[float, ...] = (), *, terms: int | None = None, gamma: float = 0.0
) -> Loss:
    """A loss of the paper's family; cross-entropy without arguments."""
    given = {"epsilon": epsilon, "terms": terms, "gamma": gamma}
    return Loss(arguments={name: value for name, value in given.items() if value})


class Variant(Frozen):
    """A loss to be trained, with its place in a study's grid.

    Attributes:
        name: unique over all studies; the same name always means the same training.
        loss: the loss; for a variant with `after`, only the coefficients beyond the winner's.
        learning_rate_factor: multiplies the recipe's learning rate.
        after: name of a selection whose winning coefficients come before this variant's own.
        label: what tables, figures and the report call it; None derives it from the loss.
    """

    name: str = Field(pattern=r"^\w[\w+.-]*$")
    loss: Loss = Loss()
    learning_rate_factor: float = Field(default=1.0, gt=0)
    after: str | None = None
    label: str | None = None

    @model_validator(mode="after")
    def _only_coefficients_can_be_prefixed(self) -> "Variant":
        if self.after is not None and not self.loss.is_poly:
            raise ValueError(
                f"variant {self.name}: `after` puts coefficients before those of {POLY_SERIES}; "
                f"{self.loss.series} has none"
            )
        return self

    def label_with(self, loss: Loss, learning_rate: float) -> str:
        """The label of one of its runs.

        Args:
            loss: what is trained, chosen coefficients included.
            learning_rate: the run's, shown if the variant changes it.
        """
        if self.label is not None:
            return self.label
        changed = self.learning_rate_factor != 1
        details = loss.details() + ([f"learning rate {learning_rate:g}"] if changed else [])
        return _with_details(loss.family, details)


def cross_entropy(learning_rate_factor: float = 1.0) -> Variant:
    """Plain cross-entropy: the reference."""
    return _variant(REFERENCE, poly_loss(), learning_rate_factor)


def poly1(epsilon: float, learning_rate_factor: float = 1.0) -> Variant:
    """Poly-1 (eq. 6 of the paper): cross-entropy + epsilon (1 - P_t)."""
    return _variant(f"poly1_e{epsilon:+g}", poly_loss((epsilon,)), learning_rate_factor)


def focal(gamma: float) -> Variant:
    """The focal loss, with the alpha that the detector's head has."""
    return _variant(f"focal_g{gamma:g}", poly_loss(gamma=gamma))


def poly1_focal(epsilon: float, gamma: float) -> Variant:
    """Poly-1 on the focal loss: focal loss + epsilon (1 - P_t)^(gamma + 1)."""
    return _variant(f"poly1_e{epsilon:+g}_g{gamma:g}", poly_loss((epsilon,), gamma=gamma))


def poly_next(count: int, epsilon: float, after: str) -> Variant:
    """Poly-N whose first N - 1 coefficients are the winners of the selection `after`."""
    return Variant(name=f"poly{count}_e{epsilon:+g}", loss=poly_loss((epsilon,)), after=after)


def truncated(terms: int, learning_rate_factor: float = 1.0) -> Variant:
    """The first `terms` terms of cross-entropy's series (the paper's "Drop")."""
    return _variant(f"truncated_n{terms}", poly_loss(terms=terms), learning_rate_factor)


def _variant(name: str, loss: Loss, learning_rate_factor: float = 1.0) -> Variant:
    if learning_rate_factor != 1:
        name = f"{name}_lr_x{learning_rate_factor:g}"
    return Variant(name=name, loss=loss, learning_rate_factor=learning_rate_factor)


def coefficient(value: float) -> str:
    """A coefficient in at most three digits, e.g. 2 or −0.333."""
    return f"{value:.3g}".replace("-", "−")


def _with_details(name: str, details: list[str]) -> str:
    return f"{name} ({', '.join(details)})" if details else name


def _shown(value: Argument) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(coefficient(v) for v in value)})"
    return coefficient(value) if isinstance(value, float) else str(value)
