"""Truncation against the learning rate: is the loss of accuracy a matter of step size?

Paper: the ablation of the truncation experiment, ResNet-50 on ImageNet, learning rates below and
above the default 0.1.
Command: snakemake --cores 2 --config studies=truncation_lr
Expected: no learning rate makes up for the dropped terms (secondary).
Cost: embedded 60 runs (20 shared), 1 minute on two cores; paper 12 runs per seed (4 shared) of
ResNet-50, see `polyrepro estimate`.
"""

from polyrepro.studies.study import (
    Claim,
    Selection,
    Study,
    against_reference,
    cross_entropy,
    truncated,
)

TERMS = (1, 2, 5)
FACTORS = (0.5, 2.0)
GRID = {n: (truncated(n), *(truncated(n, factor) for factor in FACTORS)) for n in TERMS}
BEST = {
    n: Selection(name=f"best_lr_n{n}", candidates=tuple(v.name for v in variants))
    for n, variants in GRID.items()
}

STUDY = Study(
    name="truncation_lr",
    title="Truncation against the learning rate",
    question="Can another learning rate make up for the dropped terms?",
    variants=(
        cross_entropy(),
        *(cross_entropy(factor) for factor in FACTORS),
        *(variant for variants in GRID.values() for variant in variants),
    ),
    recipes={"embedded": "fashion_mnist", "paper": "resnet50_imagenet1k"},
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
