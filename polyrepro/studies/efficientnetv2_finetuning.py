"""EfficientNetV2 fine-tuned on ImageNet-1K with cross-entropy and Poly-1, one study per size.

Each run starts from the weights of the pre-training run with the same loss and seed.
Paper: Table 1, ImageNet-1K with EfficientNetV2-L: 86.8 with cross-entropy, 87.2 with Poly-1
(verified), e1 = 2 (secondary); S and M are ours, for a smaller budget.
Command: snakemake --configfile config/paper.yaml --config studies=finetuning_l
Expected: Poly-1 with e1 = 2 is 0.4 points more accurate (L, verified). Seeds differ by 0.1 to 0.25
points, so that needs several.
Cost: paper 2 runs per seed and size, and as many of the pre-training, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, against_reference
from polyrepro.studies.study import Study
from polyrepro.variants import cross_entropy, poly1

PUBLISHED = {"l": "imagenet1k_gain"}


def _study(size: str) -> Study:
    return Study(
        name=f"finetuning_{size}",
        title=f"ImageNet-1K with EfficientNetV2-{size.upper()}, pre-trained on ImageNet-21K",
        question="Does Poly-1 help a large pre-trained network on ImageNet-1K?",
        variants=(cross_entropy(), poly1(2.0)),
        recipes={"paper": f"efficientnetv2_{size}_finetune_imagenet1k"},
        claims=(
            Claim(
                name=f"finetuning_{size}_gain",
                statement="Poly-1 is more accurate on ImageNet-1K with a pre-trained "
                f"EfficientNetV2-{size.upper()}",
                published=PUBLISHED.get(size, "positive_epsilon_helps_imagenet"),
                quantity="gain with e1 = 2 in top-1 (points)",
                contrasts=(against_reference(poly1(2.0).name, margin=ACCURACY_MARGIN),),
            ),
        ),
    )


STUDIES = tuple(_study(size) for size in "sml")
