"""Alpha: the focal loss's weight of the rare class, on two imbalanced classes.

Source: Su Jianlin, "From hard truncation to softened loss functions: focal loss", 2017 (an essay,
not the paper). Lin et al. (ICCV 2017) found alpha = 0.25 best with gamma = 2, which gives the rare
class the smaller weight; the essay recommends 0.5, no weights at all, to whom has not tuned it.
Paper: none of this; its detectors have alpha = 0.25.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=alpha
Data: shirts, a tenth of the images of Fashion-MNIST, against all other garments. Shirts are taken
for other garments more than any other class, so that the two overlap and weights can matter.
Expected: with alpha = 0.25 more shirts are missed than with 0.5, and fewer images are right.
Cost: embedded_full 5 runs per seed of 2 CPU seconds.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, Contrast, against_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import Variant, cross_entropy, focal

GAMMA = 2.0


def _weighted(alpha: float) -> Variant:
    loss = focal(GAMMA).loss.model_copy(update={"alpha": alpha})
    return Variant(name=f"focal_g{GAMMA:g}_a{alpha:g}", loss=loss)


HALF = focal(GAMMA)
"""Equal weights are no weights."""
LOW, HIGH, HIGHER = _weighted(0.25), _weighted(0.75), _weighted(0.9)
BEST = Selection(name="best_alpha", candidates=tuple(v.name for v in (LOW, HALF, HIGH, HIGHER)))

STUDY = Study(
    name="alpha",
    title="Alpha: the weight of the rare class",
    question="Is alpha = 0.25 or no weighting better where one of two classes is rare?",
    variants=(HALF, cross_entropy(), LOW, HIGH, HIGHER),
    reference=HALF.name,
    also=("top1_rare",),
    recipes={"embedded_full": "fashion_mnist_shirt"},
    selections=(BEST,),
    claims=(
        Claim(
            name="alpha_half_more_accurate",
            statement="The focal loss with alpha = 0.5 is more accurate than with alpha = 0.25",
            quantity="difference in top-1 (points)",
            contrasts=(
                Contrast(
                    weights={HALF.name: 1, LOW.name: -1}, metric="top1", margin=ACCURACY_MARGIN
                ),
            ),
        ),
        Claim(
            name="alpha_half_finds_more",
            statement="With alpha = 0.5 more images of the rare class are found than with 0.25",
            quantity="difference in the accuracy on images of the rare class (points)",
            contrasts=(Contrast(weights={HALF.name: 1, LOW.name: -1}, metric="top1_rare"),),
        ),
        Claim(
            name="tuned_alpha_gains",
            statement="A tuned alpha is more accurate than alpha = 0.5",
            quantity="gain of the selected alpha in top-1 (points)",
            contrasts=(
                against_reference(f"@{BEST.name}", reference=HALF.name, margin=ACCURACY_MARGIN),
            ),
        ),
    ),
)
