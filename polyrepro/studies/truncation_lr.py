"""Truncation against the learning rate: is the loss of accuracy a matter of step size?

Paper: the ablation of the truncation experiment, ResNet-50 on ImageNet, learning rates below and
above the default 0.1.
Command: snakemake --cores 2 --config studies=truncation_lr; with more terms, and learning rates
from a quarter to ten times the default, with --configfile config/embedded_full.yaml.
Expected: no learning rate makes up for the dropped terms (secondary).
Runs that diverge at a raised rate count as collapsed, with the accuracy of guessing.
Cost: embedded 5 runs per seed (2 shared), embedded_full 24 (4 shared), of 7 CPU seconds;
imagenet_short and paper 12 runs per seed (4 shared) of ResNet-50, see `polyrepro estimate`.
"""

from itertools import chain

from polyrepro.studies.claim import Claim, against_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import Variant, cross_entropy, truncated

FEW, MANY = (1, 2, 5), (10, 100, 300)
"""Numbers of terms at the paper's scale, and for the characters: a few learn nothing there."""
NARROW, WIDE = (0.5, 2.0), (0.25, 0.5, 2.0, 4.0, 10.0)
DEFAULT = (cross_entropy(), *(truncated(100, factor) for factor in (0.5, 1.0, 2.0, 4.0)))
"""What the default configuration can afford: it decides the claim with five seeds."""


def _plain(factors: tuple[float, ...]) -> tuple[Variant, ...]:
    return (cross_entropy(), *(cross_entropy(factor) for factor in factors))


def _truncated(
    terms: tuple[int, ...], factors: tuple[float, ...]
) -> dict[int, tuple[Variant, ...]]:
    """Number of terms to its variants, the default learning rate first."""
    return {n: (truncated(n), *(truncated(n, factor) for factor in factors)) for n in terms}


SMALL, LARGE = _truncated(FEW, NARROW), _truncated(MANY, WIDE)
SMALL_GRID = (*_plain(NARROW), *chain.from_iterable(SMALL.values()))
LARGE_GRID = (*_plain(WIDE), *chain.from_iterable(LARGE.values()))
BEST = {
    n: Selection(name=f"best_lr_n{n}", candidates=tuple(variant.name for variant in variants))
    for n, variants in (SMALL | LARGE).items()
}

STUDY = Study(
    name="truncation_lr",
    title="Truncation against the learning rate",
    question="Can another learning rate make up for the dropped terms?",
    variants=tuple({v.name: v for v in (*LARGE_GRID, *SMALL_GRID)}.values()),
    recipes={
        "embedded": "kanji",
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
        "imagenet_short": "resnet50_short",
        "paper": "resnet50_imagenet1k",
    },
    restricted={
        "embedded": tuple(v.name for v in DEFAULT),
        "embedded_full": tuple(v.name for v in LARGE_GRID),
        "cifar": tuple(v.name for v in SMALL_GRID),
        "cifar_cpu": tuple(v.name for v in SMALL_GRID),
        "imagenet_short": tuple(v.name for v in SMALL_GRID),
        "paper": tuple(v.name for v in SMALL_GRID),
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
