"""Gates: hard and soft truncation of what has been learnt, beside the focal loss.

Source: Su Jianlin, "From hard truncation to softened loss functions: focal loss", 2017 (an essay,
not the paper): letting go of samples on the right side of a threshold, hard or softly. With K = 1
the soft gate is the focal loss with gamma = 1, and where P_t is near 1 they fall alike,
as (1 - P_t)^K and (1 - P_t)^gamma: both are tried with the same exponents.
Paper: none of this.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=gates
Expected: the hard gate needs many more steps than the soft forms to reach the same accuracy (the
essay, for two classes). "Many" was set to half as many again, and the accuracies (25 and 50 % of
the training images) were chosen from cross-entropy's course, before any gate was measured so.
Cost: embedded_full 11 runs per seed (4 shared) of 7 CPU seconds.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, Contrast
from polyrepro.studies.study import Selection, Study
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


EXPONENTS = (0.5, 1.0, 2.0, 4.0)
"""K of the soft gate, and gamma of the focal loss."""
HARD = {threshold: _hard(threshold) for threshold in (0.5, 0.9)}
SOFT = {sharpness: _soft(sharpness) for sharpness in EXPONENTS}
FOCAL = {gamma: focal(gamma) for gamma in EXPONENTS}
BEST_SOFT = Selection(name="best_soft_gate", candidates=tuple(v.name for v in SOFT.values()))
BEST_FOCAL = Selection(name="best_focal", candidates=tuple(v.name for v in FOCAL.values()))

MANY = 1.5
"""As many times the steps count as "many more"."""


def _steps(others: float, level: int) -> Contrast:
    """Steps of the hard gate minus so many times those of the soft one."""
    return Contrast(
        weights={HARD[0.5].name: 1, SOFT[1.0].name: -others},
        metric=f"steps_to_{level}",
        split="train",
    )


STUDY = Study(
    name="gates",
    title="Gates: hard and soft truncation, focal loss",
    question="What does it cost to let go of what has been learnt, at once or gradually?",
    variants=(cross_entropy(), *HARD.values(), *SOFT.values(), *FOCAL.values()),
    recipes={
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
    },
    selections=(BEST_SOFT, BEST_FOCAL),
    claims=(
        Claim(
            name="soft_gate_beats_hard_gate",
            statement="The soft gate with K = 1 is more accurate than the hard gate at one half",
            quantity="difference in top-1 (points)",
            contrasts=(Contrast(weights={SOFT[1.0].name: 1, HARD[0.5].name: -1}, metric="top1"),),
        ),
        Claim(
            name="soft_gate_is_focal",
            statement="With K = 1 the soft gate is the focal loss with gamma = 1",
            quantity="difference in top-1 (points)",
            contrasts=(
                Contrast(
                    weights={SOFT[1.0].name: 1, FOCAL[1.0].name: -1},
                    metric="top1",
                    kind="equivalence",
                    margin=ACCURACY_MARGIN,
                ),
            ),
        ),
        Claim(
            name="hard_gate_needs_more_steps",
            statement="The hard gate needs more steps than the soft one to reach the same accuracy",
            quantity="steps to 25 and to 50 % of the training images, hard gate at one half minus "
            "soft gate with K = 1",
            contrasts=(_steps(1, 25), _steps(1, 50)),
        ),
        Claim(
            name="hard_gate_needs_many_more_steps",
            statement="The hard gate needs more than one and a half times the steps of the soft "
            "one to reach the same accuracy",
            quantity="steps to 50 % of the training images, hard gate at one half minus 1.5 times "
            "those of the soft gate with K = 1",
            contrasts=(_steps(MANY, 50),),
        ),
        Claim(
            name="gamma_is_as_good_as_k",
            statement="With K and gamma tuned alike the soft gate is as accurate as the focal loss",
            quantity="top-1 of the selected soft gate minus that of the selected focal loss "
            "(points)",
            contrasts=(
                Contrast(
                    weights={f"@{BEST_SOFT.name}": 1, f"@{BEST_FOCAL.name}": -1},
                    metric="top1",
                    kind="equivalence",
                    margin=ACCURACY_MARGIN,
                ),
            ),
        ),
    ),
)
