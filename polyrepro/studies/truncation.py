"""Truncation: how many terms of cross-entropy's series are needed?

Paper: the experiment that drops the higher-order polynomials, ResNet-50 on ImageNet.
Command: snakemake --cores 2 --config studies=truncation; on a cluster the same with
--configfile config/paper.yaml.
Expected: a few terms lose accuracy, more than 600 are needed on ImageNet (secondary). With ten
classes P_t starts at 1/10 instead of 1/1000 and far fewer suffice.
Cost: embedded 45 runs (5 shared), 1 minute on two cores; paper 11 runs per seed (1 shared) of
ResNet-50, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import ACCURACY_MARGIN, equals_reference
from polyrepro.studies.study import (
    REFERENCE,
    Claim,
    Study,
    against_reference,
    cross_entropy,
    truncated,
)

TERMS = {
    "embedded": (1, 2, 3, 5, 10, 20, 50, 100),
    "paper": (1, 2, 5, 10, 50, 100, 200, 400, 600, 800),
}
ALL_TERMS = sorted(set(TERMS["embedded"]) | set(TERMS["paper"]))

STUDY = Study(
    name="truncation",
    title="Truncation: how many terms are needed",
    question="How many terms of the series does it take to reach cross-entropy's accuracy?",
    variants=(
        cross_entropy(),
        *(truncated(n) for n in ALL_TERMS),
    ),
    recipes={"embedded": "fashion_mnist", "paper": "resnet50_imagenet1k"},
    restricted={
        scale: (REFERENCE, *(truncated(n).name for n in terms)) for scale, terms in TERMS.items()
    },
    claims=(
        Claim(
            name="few_terms_lose",
            statement="Keeping only a few terms of the series costs accuracy",
            published="many_terms_needed",
            quantity="top-1 with N = 1 and with N = 2 terms minus cross-entropy's (points)",
            contrasts=tuple(against_reference(truncated(n).name, sign=-1) for n in (1, 2)),
        ),
        Claim(
            name="many_terms_match",
            statement="From some number of terms on the series is as accurate as cross-entropy",
            published="many_terms_needed",
            quantity="top-1 minus cross-entropy's (points), from the largest N tried downwards",
            contrasts=tuple(
                equals_reference(truncated(n).name, "top1", ACCURACY_MARGIN)
                for n in reversed(ALL_TERMS)
            ),
            step_down=True,
        ),
    ),
)
