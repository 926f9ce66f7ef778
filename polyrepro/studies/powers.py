"""Powers that are not whole numbers: a term e q^j for j = 0.5, 1, 1.5 and 2, with q = 1 - P_t.

Paper: the series has whole powers; that others serve as well, or better, is a remark on the family.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=powers
Expected: unknown.
Cost: embedded_full 8 runs per seed (2 shared) of 7 CPU seconds.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, Contrast
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import Loss, Variant, cross_entropy, poly1

EPSILONS = (1.0, -1.0)


def _power(exponent: float, epsilon: float) -> Variant:
    sign = "+" if epsilon > 0 else "−"
    return Variant(
        name=f"power{exponent:g}_e{epsilon:+g}",
        loss=Loss(series="PowerTerm", arguments={"epsilon": epsilon, "power": exponent}),
        label=f"cross-entropy {sign} (1 − P_t)^{exponent:g}",
    )


FIRST = tuple(poly1(e) for e in EPSILONS)
OTHERS = tuple(_power(j, e) for j in (0.5, 1.5, 2.0) for e in EPSILONS)
BEST_FIRST = Selection(name="best_first_power", candidates=tuple(v.name for v in FIRST))
BEST_OTHER = Selection(name="best_other_power", candidates=tuple(v.name for v in OTHERS))

STUDY = Study(
    name="powers",
    title="Powers that are not whole numbers",
    question="Is the first power of 1 - P_t the one to perturb?",
    variants=(cross_entropy(), *FIRST, *OTHERS),
    recipes={
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
    },
    selections=(BEST_FIRST, BEST_OTHER),
    claims=(
        Claim(
            name="first_power_is_best",
            statement="Perturbing the first power is at least as good as perturbing another one",
            quantity="top-1 of the selected other power minus that of the first (points)",
            contrasts=(
                Contrast(
                    weights={f"@{BEST_OTHER.name}": 1, f"@{BEST_FIRST.name}": -1},
                    metric="top1",
                    kind="at_most",
                    margin=ACCURACY_MARGIN,
                ),
            ),
        ),
    ),
)
