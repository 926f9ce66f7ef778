"""Baselines: focal loss and label smoothing beside Poly-1.

Paper: Poly-1 is presented beside the focal loss (Lin et al., ICCV 2017), which is for imbalanced
detection, and is trained with label smoothing in some recipes; no comparison with numbers is known
to us. Poly-1 must at least not lose to what people use already.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=baselines
Expected: unknown.
Cost: embedded_full 7 runs per seed (3 shared) of 7 CPU seconds.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, Contrast
from polyrepro.studies.label_noise import SMOOTHED
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import cross_entropy, focal, poly1

POLY = (poly1(1.0), poly1(2.0))
OTHERS = (focal(0.5), focal(1.0), focal(2.0), SMOOTHED)
BEST_POLY = Selection(name="best_poly1_of_two", candidates=tuple(v.name for v in POLY))
BEST_OTHER = Selection(name="best_baseline", candidates=tuple(v.name for v in OTHERS))

STUDY = Study(
    name="baselines",
    title="Baselines: focal loss and label smoothing",
    question="Is Poly-1 better than the losses that people reach for already?",
    variants=(cross_entropy(), *POLY, *OTHERS),
    recipes={
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
    },
    selections=(BEST_POLY, BEST_OTHER),
    claims=(
        Claim(
            name="poly1_beats_baselines",
            statement="Poly-1 is more accurate than the best of focal loss and label smoothing",
            quantity="top-1 of the selected Poly-1 minus that of the selected baseline (points)",
            contrasts=(
                Contrast(
                    weights={f"@{BEST_POLY.name}": 1, f"@{BEST_OTHER.name}": -1},
                    metric="top1",
                    margin=ACCURACY_MARGIN,
                ),
            ),
        ),
    ),
)
