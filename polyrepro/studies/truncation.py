"""Truncation: how many terms of cross-entropy's series are needed?

Paper: the experiment that drops the higher-order polynomials, ResNet-50 on ImageNet.
Command: snakemake --cores 2 --config studies=truncation; with more terms and seeds the same with
--configfile config/embedded_full.yaml, on images of 32 pixels with config/cifar.yaml, where classes
and terms are fewer, on a cluster with config/paper.yaml.
Expected: a few terms lose accuracy, more than 600 are needed on ImageNet (secondary). P_t starts at
one over the number of classes, so fewer classes need fewer terms; the studies `classes_10` and
`classes_100` show how many.
Cost: embedded 4 runs per seed (1 shared), embedded_full 10 (1 shared), of 7 CPU seconds;
imagenet_short and paper 11 runs per seed (1 shared) of ResNet-50, see `polyrepro estimate`.
"""

from polyrepro.studies.claim import Claim, against_reference, equals_reference
from polyrepro.studies.study import Study
from polyrepro.variants import REFERENCE, cross_entropy, truncated

TERMS = {
    "embedded": (10, 100, 300, 1000),
    "embedded_full": (1, 3, 10, 30, 100, 200, 300, 500, 1000),
    "cifar": (1, 2, 3, 5, 10, 30, 200),
    "cifar_cpu": (1, 2, 5, 10, 30),
    "imagenet_short": (1, 2, 5, 10, 50, 100, 200, 400, 600, 800),
    "paper": (1, 2, 5, 10, 50, 100, 200, 400, 600, 800),
}
ALL_TERMS = sorted(set().union(*TERMS.values()))

MATCH_MARGIN = 1.0
"""Points of top-1 within which a truncated series counts as having reached cross-entropy. The
truncation costs tens of points where it costs anything, and two seeds of one loss differ by up to a
point on the embedded data."""

STUDY = Study(
    name="truncation",
    title="Truncation: how many terms are needed",
    question="How many terms of the series does it take to reach cross-entropy's accuracy?",
    variants=(cross_entropy(), *(truncated(n) for n in ALL_TERMS)),
    recipes={
        "embedded": "kanji",
        "embedded_full": "kanji",
        "cifar": "resnet9_images32",
        "cifar_cpu": "resnet9_quarter_images32",
        "imagenet_short": "resnet50_short",
        "paper": "resnet50_imagenet1k",
    },
    restricted={
        scale: (REFERENCE, *(truncated(n).name for n in terms)) for scale, terms in TERMS.items()
    },
    most_seeds={"embedded": 4},
    claims=(
        Claim(
            name="few_terms_lose",
            statement="Keeping only a few terms of the series costs accuracy",
            published="many_terms_needed",
            quantity="top-1 with N = 10 and with N = 100 terms minus cross-entropy's (points)",
            contrasts=tuple(against_reference(truncated(n).name, sign=-1) for n in (10, 100)),
        ),
        Claim(
            name="many_terms_match",
            statement="From some number of terms on the series is as accurate as cross-entropy",
            published="many_terms_needed",
            quantity="top-1 minus cross-entropy's (points), from the largest N tried downwards",
            contrasts=tuple(
                equals_reference(truncated(n).name, "top1", MATCH_MARGIN)
                for n in reversed(ALL_TERMS)
            ),
            step_down=True,
        ),
    ),
)
