"""A run: one recipe, one variant of the loss, one seed. Its id is readable and unique."""

import hashlib

from pydantic import Field

from polyrepro.recipes import RECIPES, AnyRecipe, Frozen, PathText

WEIGHTS_FILE = "weights.safetensors"
"""In the folder of a run whose weights are kept."""


class Loss(Frozen):
    """The arguments of `polyrepro.losses.poly_cross_entropy` that distinguish variants."""

    epsilon: tuple[float, ...] = ()
    terms: int | None = Field(default=None, ge=1)
    gamma: float = Field(default=0.0, ge=0)


class Variant(Frozen):
    """A loss to be trained, with its place in a study's grid.

    Attributes:
        name: unique over all studies; the same name always means the same loss.
        loss: the loss; for a variant with `after`, only the coefficients beyond the winner's.
        learning_rate_factor: multiplies the recipe's learning rate.
        after: name of a selection whose winning coefficients come before this variant's own.
    """

    name: str
    loss: Loss
    learning_rate_factor: float = Field(default=1.0, gt=0)
    after: str | None = None


class InitialWeights(Frozen):
    """Weights to start from.

    Attributes:
        sha256: of the file; only this counts for the identity of a run, not where the file lies.
        path: a safetensors file, or a state dict that `torch.load(weights_only=True)` reads.
    """

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    path: PathText = Field(exclude=True)


class Run(Frozen):
    """One training.

    Attributes:
        prefix: for a variant with `after`, the coefficients that selection chose; known only once
            the runs before it have finished, and empty while a workflow is planned.
        initial_weights: where it starts from, if not from random weights; like the prefix, known
            only once the pre-training has finished, unless the configuration gives them.
    """

    recipe: AnyRecipe
    variant: Variant
    seed: int = Field(ge=0)
    prefix: tuple[float, ...] = ()
    initial_weights: InitialWeights | None = None

    @property
    def id(self) -> str:
        """Readable and unique within a results folder, e.g. fashion_mnist/poly1_e+2/seed0."""
        return f"{self.recipe.name}/{self.variant.name}/seed{self.seed}"

    @property
    def loss(self) -> Loss:
        """The loss that is trained."""
        own = self.variant.loss
        return own.model_copy(update={"epsilon": self.prefix + own.epsilon})

    @property
    def learning_rate(self) -> float:
        """Peak learning rate of this run."""
        return self.recipe.learning_rate * self.variant.learning_rate_factor

    @property
    def gives_weights(self) -> bool:
        """Whether its final weights are kept, because another recipe starts from them."""
        return self.recipe.name in {recipe.pretraining for recipe in RECIPES.values()}

    def identity(self) -> str:
        """Hash of all that defines the run; a finished record is reused only if it is equal."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
