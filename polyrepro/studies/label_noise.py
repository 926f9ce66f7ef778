"""Label noise: Poly-1 where 20 and 40 percent of the training labels are wrong.

Paper: no experiment of its own; a sceptic's control. e1 > 0 trusts confident predictions more,
e1 < 0 lets go of them.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=label_noise20
Data: symmetric noise on the training labels, the same for every run; validation and test are clean.
Expected: unknown.
Cost: embedded_full 6 runs per seed each, of 7 CPU seconds.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, Claim, against_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import Loss, Variant, cross_entropy, focal, poly1

EPSILONS = (-1.0, 1.0, 2.0)
SMOOTHED = Variant(name="smoothed_s0.1", loss=Loss(label_smoothing=0.1))


def _study(percent: int) -> Study:
    best = Selection(name=f"best_noise{percent}", candidates=tuple(poly1(e).name for e in EPSILONS))
    return Study(
        name=f"label_noise{percent}",
        title=f"Label noise: {percent} % of the training labels are wrong",
        question="Does Poly-1 help where labels cannot be trusted?",
        variants=(cross_entropy(), *(poly1(e) for e in EPSILONS), focal(1.0), SMOOTHED),
        recipes={"embedded_full": f"kanji_noise{percent}"},
        selections=(best,),
        claims=(
            Claim(
                name=f"gain_with_noise{percent}",
                statement=f"With {percent} % wrong labels Poly-1 is more accurate than "
                "cross-entropy",
                quantity="gain of the selected coefficient in top-1 (points)",
                contrasts=(against_reference(f"@{best.name}", margin=ACCURACY_MARGIN),),
            ),
        ),
    )


STUDIES = (_study(20), _study(40))
