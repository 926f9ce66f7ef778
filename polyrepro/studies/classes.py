"""The number of classes: the same truncations and coefficients on 10 and on 100 classes.

Paper: no experiment of its own; P_t starts at one over the number of classes, which decides how
many terms matter. The thousand classes of the same data are the studies `truncation` and
`epsilon_sweep`.
Command: snakemake --cores 2 --configfile config/embedded_full.yaml --config studies=classes_10
Expected: the fewer the classes, the fewer terms it takes (10 classes: tens; unknown beyond that).
Cost: embedded_full 8 runs per seed each, of half a CPU second (10 classes) and 3 (100).
"""

from polyrepro.studies.claim import Claim, equals_reference
from polyrepro.studies.study import Study
from polyrepro.studies.truncation import MATCH_MARGIN
from polyrepro.variants import cross_entropy, poly1, truncated

TERMS = (3, 10, 30, 100)
EPSILONS = (-1.0, 1.0, 2.0)


def _study(classes: int) -> Study:
    return Study(
        name=f"classes_{classes}",
        title=f"Number of classes: {classes}",
        question=f"How many terms, and which coefficient, with {classes} classes of the same data?",
        variants=(
            cross_entropy(),
            *(truncated(n) for n in TERMS),
            *(poly1(e) for e in EPSILONS),
        ),
        recipes={"embedded_full": f"kanji_{classes}"},
        claims=(
            Claim(
                name=f"terms_that_match_{classes}",
                statement=f"With {classes} classes a hundred terms are as good as cross-entropy",
                quantity="top-1 minus cross-entropy's (points), from the largest N tried downwards",
                contrasts=tuple(
                    equals_reference(truncated(n).name, "top1", MATCH_MARGIN)
                    for n in reversed(TERMS)
                ),
                step_down=True,
            ),
        ),
    )


STUDIES = (_study(10), _study(100))
