"""Truncation against the learning rate: is the loss of accuracy a matter of step size?

Paper: the ablation of the truncation experiment, ResNet-50 on ImageNet, learning rates below and
above the default 0.1.
Command: snakemake --cores 2 --config studies=truncation_lr; on a thousand classes, with learning
rates from a quarter to ten times the default, with --configfile config/embedded_full.yaml.
Expected: no learning rate makes up for the dropped terms (secondary).
Cost: embedded 12 runs per seed of 2 CPU seconds; embedded_full 24 runs per seed (4 shared) of 7 CPU
seconds; paper 12 runs per seed (4 shared) of ResNet-50, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import Claim, against_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import cross_entropy, truncated

# Where the truncation costs accuracy depends on the number of classes: ten, or a thousand.
FEW, MANY = (1, 2, 5), (10, 100, 300)
NARROW, WIDE = (0.5, 2.0), (0.25, 0.5, 2.0, 4.0, 10.0)


def _grid(terms: tuple[int, ...], factors: tuple[float, ...]) -> dict:
    """Number of terms (None: cross-entropy) to its variants, the default learning rate first."""
    losses = {None: cross_entropy, **{n: lambda f=1.0, n=n: truncated(n, f) for n in terms}}
    return {n: (loss(), *(loss(factor) for factor in factors)) for n, loss in losses.items()}


def _names(grid: dict) -> tuple[str, ...]:
    return tuple(variant.name for variants in grid.values() for variant in variants)


SMALL, LARGE = _grid(FEW, NARROW), _grid(MANY, WIDE)
ALL = {v.name: v for grid in (LARGE, SMALL) for variants in grid.values() for v in variants}
BEST = {
    n: Selection(name=f"best_lr_n{n}", candidates=tuple(v.name for v in grid[n]))
    for grid in (SMALL, LARGE)
    for n in grid
    if n is not None
}

STUDY = Study(
    name="truncation_lr",
    title="Truncation against the learning rate",
    question="Can another learning rate make up for the dropped terms?",
    variants=tuple(ALL.values()),
    recipes={
        "embedded": "fashion_mnist",
        "embedded_full": "kanji",
        "paper": "resnet50_imagenet1k",
    },
    restricted={
        "embedded": _names(SMALL),
        "embedded_full": _names(LARGE),
        "paper": _names(SMALL),
    },
    selections=tuple(BEST.values()),
    claims=(
        Claim(
            name="learning_rate_no_remedy",
            statement="No learning rate makes up for the dropped terms",
            published="truncation_not_learning_rate",
            quantity="top-1 at the best learning rate minus cross-entropy's, per number of terms "
            "(points)",
            contrasts=tuple(against_reference(f"@{best.name}", sign=-1) for best in BEST.values()),
        ),
    ),
)
