"""Poly-1: accuracy against the first coefficient.

Paper: the Poly-1 experiments on ImageNet (Table 1 has the best value per data set; the sweep on
ResNet-50 is known to us from secondary sources only).
Command: snakemake --cores 2 --config studies=epsilon_sweep; with more coefficients and seeds the
same with --configfile config/embedded_full.yaml, on images of 32 pixels with config/cifar.yaml.
Expected: accuracy rises when e1 is raised above 0 (secondary); mean P_t rises too (secondary).
Cost: embedded 4 runs per seed, embedded_full 8, of 7 CPU seconds; imagenet_short and paper
8 runs per seed of ResNet-50, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, Contrast, against_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import REFERENCE, cross_entropy, poly1

EPSILONS = (-1.0, -0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
FEW = (-1.0, 1.0, 2.0)
"""What the default configuration can afford, and CPUs at 32 pixels."""
BEST = Selection(name="best_poly1", candidates=tuple(poly1(e).name for e in EPSILONS))

STUDY = Study(
    name="epsilon_sweep",
    title="Poly-1: the first coefficient",
    question="Does raising or lowering the coefficient of 1 - P_t change the accuracy?",
    variants=(cross_entropy(), *(poly1(e) for e in EPSILONS)),
    recipes={
        "embedded": "kanji",
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
        "imagenet_short": "resnet50_short",
        "paper": "resnet50_imagenet1k",
    },
    restricted={
        scale: (REFERENCE, *(poly1(e).name for e in FEW)) for scale in ("embedded", "cifar_cpu")
    },
    selections=(BEST,),
    claims=(
        Claim(
            name="poly1_gain",
            statement="Poly-1 with a tuned coefficient is more accurate than cross-entropy",
            published="poly1_raises_accuracy",
            quantity="gain of the selected coefficient in top-1 (points)",
            contrasts=(against_reference(f"@{BEST.name}", margin=ACCURACY_MARGIN),),
        ),
        Claim(
            name="positive_epsilon_raises_mean_pt",
            statement="A positive coefficient raises the mean P_t, a negative one lowers it",
            published="epsilon_sign_moves_mean_pt",
            quantity="change of mean P_t with e1 = 2 and with e1 = −1",
            contrasts=(
                against_reference(poly1(2.0).name, "mean_pt"),
                against_reference(poly1(-1.0).name, "mean_pt", sign=-1),
            ),
        ),
        *(
            Claim(
                name=name,
                statement="The leading term gives more than half of cross-entropy's gradient for "
                f"most of the training, {weighing}",
                published="leading_term_majority",
                quantity=f"share of the leading term, {weighing}, median over training",
                contrasts=(
                    Contrast(
                        weights={REFERENCE: 1},
                        metric=metric,
                        split="train",
                        over="training",
                        threshold=0.5,
                    ),
                ),
            )
            for name, metric, weighing in (
                ("leading_term_majority", "leading_share", "averaged over images"),
                (
                    "leading_term_majority_summed",
                    "leading_share_weighted",
                    "in the summed gradients",
                ),
            )
        ),
    ),
)
