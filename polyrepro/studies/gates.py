"""Gates: hard and soft truncation of what has been learnt, beside the focal loss.

Source: Su Jianlin, "From hard truncation to softened loss functions: focal loss", 2017 (an essay,
not the paper): letting go of samples on the right side of a threshold, hard or softly. With K = 1
the soft gate is the focal loss with gamma = 1.
Paper: none of this.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=gates
Expected: the soft forms are better than the hard one (the essay, for two classes).
Cost: embedded_full 9 runs per seed (4 shared) of 7 CPU seconds.
"""

from polyrepro.studies.claim import Claim, Contrast
from polyrepro.studies.study import Study
from polyrepro.variants import Loss, Variant, cross_entropy, focal


def _hard(threshold: float) -> Variant:
    return Variant(
        name=f"hard_gate_t{threshold:g}",
        loss=Loss(series="HardGate", arguments={"threshold": threshold}),
        label=f"hard gate at P_t = {threshold:g}",
    )


def _soft(sharpness: float) -> Variant:
    return Variant(
        name=f"soft_gate_k{sharpness:g}",
        loss=Loss(series="SoftGate", arguments={"sharpness": sharpness}),
        label=f"soft gate, K = {sharpness:g}",
    )


HARD = (_hard(0.5), _hard(0.9))
SOFT = (_soft(1.0), _soft(2.0), _soft(4.0))
FOCAL = (focal(0.5), focal(1.0), focal(2.0))

STUDY = Study(
    name="gates",
    title="Gates: hard and soft truncation, focal loss",
    question="What does it cost to let go of what has been learnt, at once or gradually?",
    variants=(cross_entropy(), *HARD, *SOFT, *FOCAL),
    recipes={
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
    },
    claims=(
        Claim(
            name="soft_gate_beats_hard_gate",
            statement="The soft gate with K = 1 is more accurate than the hard gate at one half",
            quantity="difference in top-1 (points)",
            contrasts=(Contrast(weights={SOFT[0].name: 1, HARD[0].name: -1}, metric="top1"),),
        ),
        Claim(
            name="soft_gate_is_focal",
            statement="With K = 1 the soft gate is the focal loss with gamma = 1",
            quantity="difference in top-1 (points)",
            contrasts=(
                Contrast(
                    weights={SOFT[0].name: 1, FOCAL[1].name: -1},
                    metric="top1",
                    kind="equivalence",
                    margin=0.3,
                ),
            ),
        ),
    ),
)
