"""EfficientNetV2 on ImageNet-21K with cross-entropy and Poly-1, one study per size.

Paper: Table 1, ImageNet-21K with EfficientNetV2-L: 45.8 with cross-entropy, 46.4 with Poly-1
(verified), e1 = 2 (secondary); S and M are ours, for a smaller budget.
Command: snakemake --configfile config/paper.yaml --config studies=pretraining_l
Expected: Poly-1 with e1 = 2 is 0.6 points more accurate (L, verified) and raises the mean P_t.
Cost: paper 2 runs per seed and size, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, against_reference
from polyrepro.studies.study import Study
from polyrepro.variants import cross_entropy, poly1

PUBLISHED = {"l": "imagenet21k_gain"}


def _study(size: str) -> Study:
    return Study(
        name=f"pretraining_{size}",
        title=f"ImageNet-21K with EfficientNetV2-{size.upper()}",
        question="Does Poly-1 help on twenty thousand imbalanced classes?",
        variants=(cross_entropy(), poly1(2.0)),
        recipes={"paper": f"efficientnetv2_{size}_imagenet21k"},
        claims=(
            Claim(
                name=f"pretraining_{size}_gain",
                statement="Poly-1 is more accurate on ImageNet-21K with "
                f"EfficientNetV2-{size.upper()}",
                published=PUBLISHED.get(size, "positive_epsilon_helps_imagenet"),
                quantity="gain with e1 = 2 in top-1 (points)",
                contrasts=(against_reference(poly1(2.0).name, margin=ACCURACY_MARGIN),),
            ),
            Claim(
                name=f"pretraining_{size}_mean_pt",
                statement="On ImageNet-21K a positive coefficient raises the mean P_t "
                f"(EfficientNetV2-{size.upper()})",
                published="epsilon_sign_moves_mean_pt",
                quantity="change of mean P_t with e1 = 2",
                contrasts=(against_reference(poly1(2.0).name, "mean_pt"),),
            ),
        ),
    )


STUDIES = tuple(_study(size) for size in "sml")
