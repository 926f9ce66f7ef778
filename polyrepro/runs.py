"""A run: one recipe, one variant of the loss, one seed. Its id is readable and unique."""

import hashlib
import json

from pydantic import Field

from polyrepro.recipes import RECIPES, AnyRecipe, ClassificationRecipe, Frozen
from polyrepro.variants import Loss, Variant

WEIGHTS_FILE = "weights.safetensors"
"""In the folder of a run whose weights are kept."""

DIVERGED = "diverged_after_step"
"""The metric, among those of the test split, that only a run has which has diverged."""


class InitialWeights(Frozen):
    """Weights to start from.

    Attributes:
        sha256: of the file; only this counts for the identity of a run, not where the file lies.
        path: a safetensors file, or a state dict that `torch.load(weights_only=True)` reads.
    """

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    path: str = Field(min_length=1)


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
        return self.variant.loss.after(self.prefix)

    @property
    def learning_rate(self) -> float:
        """Peak learning rate of this run."""
        return self.recipe.learning_rate * self.variant.learning_rate_factor

    @property
    def label_smoothing(self) -> float:
        """The loss's own, or else the recipe's; 0 for detectors."""
        own, recipe = self.loss.label_smoothing, self.recipe
        if own is not None:
            return own
        return recipe.label_smoothing if isinstance(recipe, ClassificationRecipe) else 0.0

    @property
    def label(self) -> str:
        """What tables, figures and the report call its variant."""
        return self.variant.label_with(self.loss, self.learning_rate)

    @property
    def may_diverge(self) -> bool:
        """Whether a classifier that leaves the range of numbers has a result, that of guessing.

        It has where the variant raises the recipe's learning rate: how far that goes is then part
        of the question. For any other run, and where another recipe starts from the weights, it is
        an error.
        """
        return self.variant.learning_rate_factor > 1 and not self.gives_weights

    @property
    def gives_weights(self) -> bool:
        """Whether its final weights are kept, because another recipe starts from them."""
        return self.recipe.name in {recipe.pretraining for recipe in RECIPES.values()}

    def identity(self) -> str:
        """Hash of what is trained: recipe, loss, learning rate, seed and initial weights.

        Only what differs from the defaults counts, in an order that does not depend on the source:
        a new optional field leaves the identity of every earlier run as it was. Names of variants
        and labels do not count. A default must therefore never change its meaning.
        """
        parts = {
            "recipe": _what_differs(self.recipe),
            "loss": _what_differs(self.loss),
            "learning_rate_factor": self.variant.learning_rate_factor,
            "seed": self.seed,
            "initial_weights": self.initial_weights and self.initial_weights.sha256,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _what_differs(model: Frozen) -> dict:
    return model.model_dump(mode="json", exclude_defaults=True)
