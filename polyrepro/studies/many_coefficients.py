"""Many coefficients: tuning a hundred of them together, against tuning one.

Paper: "jointly tuning" the first hundreds of coefficients does not help (secondary, no numbers).
Command: snakemake --cores 2 --configfile config/embedded_full.yaml \
    --config studies=many_coefficients
Search: eight draws of the first 100 perturbations, e_j uniform in [-1/j, 2/j], which keeps every
coefficient of the series at or above zero; against the seven coefficients of Poly-1's sweep and
cross-entropy: eight candidates on each side, chosen on validation images.
Expected: no gain over cross-entropy (secondary).
Cost: embedded_full 16 runs per seed (8 shared with epsilon_sweep) of 7 CPU seconds.
"""

import random

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, Contrast
from polyrepro.studies.epsilon_sweep import EPSILONS
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import REFERENCE, Variant, cross_entropy, poly1, poly_loss

COEFFICIENTS, DRAWS = 100, 8


def _drawn(number: int) -> Variant:
    draw = random.Random(number)
    epsilon = tuple(round(draw.uniform(-1 / j, 2 / j), 6) for j in range(1, COEFFICIENTS + 1))
    return Variant(
        name=f"poly{COEFFICIENTS}_draw{number}",
        loss=poly_loss(epsilon),
        label=f"{COEFFICIENTS} coefficients, draw {number}",
    )


SINGLE = tuple(poly1(e) for e in EPSILONS)
MANY = tuple(_drawn(number) for number in range(1, DRAWS + 1))
BEST_SINGLE = Selection(
    name="best_single", candidates=(REFERENCE, *(variant.name for variant in SINGLE))
)
BEST_MANY = Selection(name="best_of_many", candidates=tuple(variant.name for variant in MANY))

STUDY = Study(
    name="many_coefficients",
    title="Many coefficients tuned together",
    question="Does tuning a hundred coefficients beat cross-entropy, or tuning one?",
    variants=(cross_entropy(), *SINGLE, *MANY),
    recipes={
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
    },
    selections=(BEST_SINGLE, BEST_MANY),
    claims=(
        Claim(
            name="many_coefficients_no_gain",
            statement="Tuning many coefficients together does not beat cross-entropy",
            published="many_coefficients_no_help",
            quantity="top-1 of the selected draw minus cross-entropy's (points)",
            contrasts=(
                Contrast(
                    weights={f"@{BEST_MANY.name}": 1, REFERENCE: -1},
                    metric="top1",
                    kind="at_most",
                    margin=ACCURACY_MARGIN,
                ),
            ),
        ),
        Claim(
            name="one_coefficient_beats_many",
            statement="Tuning one coefficient is better than tuning a hundred with the same budget",
            quantity="top-1 of the selected Poly-1 minus that of the selected draw (points)",
            contrasts=(
                Contrast(
                    weights={f"@{BEST_SINGLE.name}": 1, f"@{BEST_MANY.name}": -1}, metric="top1"
                ),
            ),
        ),
    ),
)
