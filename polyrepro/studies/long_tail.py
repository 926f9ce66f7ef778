"""Long tail: Poly-1 on an imbalanced training set, the analogue of ImageNet-21K.

Paper: Table 1, ImageNet-21K with EfficientNetV2-L: 45.8 with cross-entropy, 46.4 with Poly-1
(verified); the study `pretraining_l` repeats that itself. The embedded splits have a ratio of 50
between the largest and the smallest class (ten classes), and of 18 to 1 image (a thousand); that of
images of 32 pixels has 100.
Command: snakemake --cores 2 --config studies=long_tail; on a thousand classes the same with
--configfile config/embedded_full.yaml.
Expected: a positive e1 is more accurate and raises the mean P_t.
Cost: embedded 7 runs per seed of 2 CPU seconds; embedded_full 7 of 7 CPU seconds; imagenet_short 7
of ResNet-50 on the class sizes of ImageNet-LT, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, against_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import cross_entropy, poly1

EPSILONS = (-1.0, -0.5, 1.0, 2.0, 4.0, 6.0)
BEST = Selection(name="best_long_tail", candidates=tuple(poly1(e).name for e in EPSILONS))

STUDY = Study(
    name="long_tail",
    title="Long tail: an imbalanced training set",
    question="Does Poly-1 help where most images belong to a few classes?",
    variants=(cross_entropy(), *(poly1(e) for e in EPSILONS)),
    recipes={
        "embedded": "fashion_mnist_long_tail",
        "embedded_full": "kanji_long_tail",
        "cifar": "resnet9_images32_long_tail",
        "cifar_cpu": "resnet9_quarter_images32_long_tail",
        "imagenet_short": "resnet50_short_long_tail",
    },
    selections=(BEST,),
    claims=(
        Claim(
            name="long_tail_gain",
            statement="Poly-1 is more accurate than cross-entropy on imbalanced data",
            published="imagenet21k_gain",
            quantity="gain of the selected coefficient in top-1, balanced test set (points)",
            contrasts=(against_reference(f"@{BEST.name}", margin=ACCURACY_MARGIN),),
        ),
        Claim(
            name="long_tail_mean_pt",
            statement="On imbalanced data a positive coefficient raises the mean P_t",
            published="epsilon_sign_moves_mean_pt",
            quantity="change of mean P_t with e1 = 2",
            contrasts=(against_reference(poly1(2.0).name, "mean_pt"),),
        ),
    ),
)
