"""Poly-1 against the learning rate: is its gain an effective learning rate?

Paper: no experiment of its own; a sceptic's control. Poly-1 multiplies the gradient of each sample
by 1 + e1 P_t, so on average it takes larger steps than cross-entropy at the same learning rate.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=poly1_lr
Compared with: cross-entropy at learning rates of its own, a finer grid that reaches as far as the
mean gradient weight of e1 = 2 can (a factor of 3). Each side chooses its learning rate on the
validation images of seeds that test nothing.
Expected: unknown; the paper's recipe has one learning rate.
Cost: embedded_full 15 runs per seed (8 shared with other studies) of 7 CPU seconds; imagenet_short
15 (6 shared) of ResNet-50, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, Contrast, against_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import cross_entropy, poly1

FACTORS = (0.5, 2.0)
MATCHED = (0.5, 0.71, 1.41, 2.0, 2.83)
EPSILONS = (-1.0, 1.0, 2.0)
PLAIN = (cross_entropy(), *(cross_entropy(factor) for factor in MATCHED))
POLY = {e: (poly1(e), *(poly1(e, factor) for factor in FACTORS)) for e in EPSILONS}
BEST_PLAIN = Selection(name="best_lr_cross_entropy", candidates=tuple(v.name for v in PLAIN))
BEST_POLY = {
    e: Selection(name=f"best_lr_poly1_e{e:+g}", candidates=tuple(v.name for v in variants))
    for e, variants in POLY.items()
}

STUDY = Study(
    name="poly1_lr",
    title="Poly-1 against the learning rate",
    question="Is a gain of Poly-1 more than an effective learning rate?",
    variants=(*PLAIN, *(variant for variants in POLY.values() for variant in variants)),
    recipes={
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
        "imagenet_short": "resnet50_short",
    },
    selections=(BEST_PLAIN, *BEST_POLY.values()),
    claims=(
        Claim(
            name="gain_beyond_learning_rate",
            statement="Poly-1 with a positive coefficient is more accurate than cross-entropy when "
            "both have chosen their learning rates",
            quantity="gain with e1 = 1 and with e1 = 2 in top-1, each at its best learning rate "
            "(points)",
            contrasts=tuple(
                Contrast(
                    weights={f"@{BEST_POLY[e].name}": 1, f"@{BEST_PLAIN.name}": -1},
                    metric="top1",
                    margin=ACCURACY_MARGIN,
                )
                for e in (1.0, 2.0)
            ),
        ),
        Claim(
            name="gain_beyond_matched_learning_rate",
            statement="Poly-1 with e1 = 1 is more accurate than cross-entropy with twice the "
            "learning rate, which is the most that its gradient weight amounts to",
            quantity="gain with e1 = 1 in top-1 (points)",
            contrasts=(against_reference(poly1(1.0).name, reference=cross_entropy(2.0).name),),
        ),
    ),
)
