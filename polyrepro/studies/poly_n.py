"""Poly-N: do the second and third coefficient help beyond the first?

Paper: the Poly-N experiment on ImageNet with ResNet-50, N = 1, 2, 3 (numbers often quoted: 76.3 for
cross-entropy, 76.7 and 76.8 for N = 1 and 2; unverified).
Command: snakemake --cores 2 --config studies=poly_n
Search: greedy, one coefficient at a time. e1 is chosen on a grid, then e2 on a grid with that e1
kept, then e3 with both kept; "the new coefficient is zero" is always one of the choices. Validation
accuracy, averaged over seeds, chooses; the test accuracy is reported. A full grid over three
coefficients would cost the product of the grids instead of their sum.
Expected: N = 1, 2, 3 beat cross-entropy; the first coefficient brings most of the gain (secondary).
Cost: embedded 16 runs per seed of 2 CPU seconds, on ten classes; embedded_full 16 (8 shared with
epsilon_sweep) of 7 CPU seconds; imagenet_short and paper 16 runs per seed (8 shared) of
ResNet-50, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, Contrast, against_reference
from polyrepro.studies.epsilon_sweep import EPSILONS
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import REFERENCE, cross_entropy, poly1, poly_next

SECOND = (-0.5, 1.0, 2.0, 4.0)
THIRD = (-1 / 3, 1.0, 2.0, 4.0)

FIRST_VARIANTS = tuple(poly1(e) for e in EPSILONS)
BEST_1 = Selection(name="best_poly_n1", candidates=tuple(v.name for v in FIRST_VARIANTS))
SECOND_VARIANTS = tuple(poly_next(2, e, after=BEST_1.name) for e in SECOND)
BEST_2 = Selection(
    name="best_poly_n2",
    candidates=tuple(v.name for v in SECOND_VARIANTS),
    previous=BEST_1.name,
)
THIRD_VARIANTS = tuple(poly_next(3, round(e, 4), after=BEST_2.name) for e in THIRD)
BEST_3 = Selection(
    name="best_poly_n3",
    candidates=tuple(v.name for v in THIRD_VARIANTS),
    previous=BEST_2.name,
)
BEST = (BEST_1, BEST_2, BEST_3)

STUDY = Study(
    name="poly_n",
    title="Poly-N: one, two or three coefficients",
    question="Do a second and a third coefficient help beyond the first?",
    variants=(cross_entropy(), *FIRST_VARIANTS, *SECOND_VARIANTS, *THIRD_VARIANTS),
    recipes={
        "embedded": "fashion_mnist",
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
        "imagenet_short": "resnet50_short",
        "paper": "resnet50_imagenet1k",
    },
    selections=BEST,
    claims=(
        Claim(
            name="poly_n_gain",
            statement="Poly-N with N = 1, 2 and 3 is more accurate than cross-entropy",
            published="poly_n_beats_cross_entropy",
            quantity="gain of the selected coefficients in top-1 (points)",
            contrasts=tuple(
                against_reference(f"@{best.name}", margin=ACCURACY_MARGIN) for best in BEST
            ),
        ),
        Claim(
            name="first_coefficient_most",
            statement="The first coefficient brings most of the gain of three",
            published="first_coefficient_most",
            quantity="gain of the first in top-1, and gain of the other two minus it (points)",
            contrasts=(
                against_reference(f"@{BEST_1.name}"),
                # "Most" is more than half: the others together bring no more than the first.
                Contrast(
                    weights={f"@{BEST_3.name}": 1, f"@{BEST_1.name}": -2, REFERENCE: 1},
                    metric="top1",
                    kind="at_most",
                    margin=0.0,
                ),
            ),
        ),
    ),
)
