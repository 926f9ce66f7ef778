"""Training length: does a gain of Poly-1 survive three times the epochs?

Paper: no experiment of its own; a sceptic's control. A loss may merely learn faster.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=training_length
Expected: unknown.
Cost: embedded_full 4 runs per seed of 21 CPU seconds.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, against_reference
from polyrepro.studies.study import Study
from polyrepro.variants import cross_entropy, poly1

EPSILONS = (-1.0, 1.0, 2.0)

STUDY = Study(
    name="training_length",
    title="Training length: three times the epochs",
    question="Does a gain of Poly-1 outlive longer training?",
    variants=(cross_entropy(), *(poly1(e) for e in EPSILONS)),
    recipes={
        "embedded_full": "kanji_long",
        "cifar": "resnet9_images32_long",
        "cifar_cpu": "resnet9_quarter_images32_long",
    },
    claims=(
        Claim(
            name="gain_after_longer_training",
            statement="After three times the epochs Poly-1 is still more accurate than "
            "cross-entropy",
            quantity="gain with e1 = 1 and with e1 = 2 in top-1 (points)",
            contrasts=tuple(
                against_reference(poly1(e).name, margin=ACCURACY_MARGIN) for e in (1.0, 2.0)
            ),
        ),
    ),
)
