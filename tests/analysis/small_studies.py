"""Studies that the tests of tables judge: what the real ones try may change."""

from polyrepro.studies.claim import (
    ACCURACY_MARGIN,
    PRECISION_MARGIN,
    Claim,
    Contrast,
    against_reference,
    equals_reference,
)
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import REFERENCE, cross_entropy, poly1, poly_next, truncated

EVERYWHERE = {"embedded": "fashion_mnist", "paper": "resnet50_imagenet1k"}
TERMS = {"embedded": (1, 2, 3, 5, 10, 20, 50, 100), "paper": (1, 2, 5, 100, 800)}
ALL_TERMS = sorted(set().union(*TERMS.values()))
EPSILONS = (-1.0, 1.0, 2.0, 3.0)
CANDIDATES = tuple(poly1(e).name for e in EPSILONS)
BEST = Selection(name="best_poly1", candidates=CANDIDATES)
BEST_1 = Selection(name="best_poly_n1", candidates=CANDIDATES)
NEXT = tuple(poly_next(2, e, after=BEST_1.name) for e in (1.0, 2.0))
BEST_2 = Selection(
    name="best_poly_n2", candidates=tuple(v.name for v in NEXT), previous=BEST_1.name
)


def claim(name, published, *contrasts, step_down=False):
    return Claim(
        name=name,
        statement=f"Statement {name}",
        published=published,
        quantity="points",
        contrasts=contrasts,
        step_down=step_down,
    )


def study(name, variants, claims, **rest):
    texts = {"title": name, "question": ""}
    return Study(name=name, variants=variants, claims=claims, **texts, **rest)


def majority(name, metric):
    contrast = Contrast(
        weights={REFERENCE: 1}, metric=metric, split="train", over="training", threshold=0.5
    )
    return claim(name, "leading_term_majority", contrast)


TRUNCATION = study(
    "truncation",
    (cross_entropy(), *(truncated(n) for n in ALL_TERMS)),
    (
        claim(
            "few_terms_lose",
            "many_terms_needed",
            *(against_reference(truncated(n).name, sign=-1) for n in (1, 2)),
        ),
        claim(
            "many_terms_match",
            "many_terms_needed",
            *(
                equals_reference(truncated(n).name, "top1", ACCURACY_MARGIN)
                for n in reversed(ALL_TERMS)
            ),
            step_down=True,
        ),
    ),
    recipes=EVERYWHERE,
    restricted={s: (REFERENCE, *(truncated(n).name for n in t)) for s, t in TERMS.items()},
)
SWEEP = study(
    "epsilon_sweep",
    (cross_entropy(), *(poly1(e) for e in EPSILONS)),
    (
        claim(
            "poly1_gain",
            "poly1_raises_accuracy",
            against_reference(f"@{BEST.name}", margin=ACCURACY_MARGIN),
        ),
        majority("leading_term_majority", "leading_share"),
        majority("leading_term_majority_summed", "leading_share_weighted"),
    ),
    recipes=EVERYWHERE,
    selections=(BEST,),
)
POLY_N = study(
    "poly_n",
    (cross_entropy(), *(poly1(e) for e in EPSILONS), *NEXT),
    (
        claim(
            "first_coefficient_most",
            "first_coefficient_most",
            against_reference(f"@{BEST_1.name}"),
            Contrast(
                weights={f"@{BEST_2.name}": 1, f"@{BEST_1.name}": -2, REFERENCE: 1},
                metric="top1",
                kind="at_most",
                margin=0.0,
            ),
        ),
    ),
    recipes=EVERYWHERE,
    selections=(BEST_1, BEST_2),
)
MASK_RCNN = study(
    "mask_rcnn_epsilon",
    (cross_entropy(), poly1(-1.0)),
    (
        claim(
            "mask_rcnn_box_ar",
            "coco_box_ar_gain",
            against_reference(poly1(-1.0).name, "box_ar100", margin=PRECISION_MARGIN),
        ),
        claim(
            "mask_rcnn_box_ap",
            "rerun_ap_unmoved",
            equals_reference(poly1(-1.0).name, "box_ap", PRECISION_MARGIN),
        ),
    ),
    recipes={"embedded": "mask_rcnn_composites", "paper": "mask_rcnn_coco"},
    metric="box_ar100",
)
FINETUNING = study(
    "finetuning_l",
    (cross_entropy(), poly1(2.0)),
    (claim("finetuning_l_gain", "imagenet1k_gain", against_reference(poly1(2.0).name)),),
    recipes={"paper": "efficientnetv2_l_finetune_imagenet1k"},
)
OWN = study(
    "question_of_our_own",
    (cross_entropy(), poly1(2.0)),
    (claim("own_gain", None, against_reference(poly1(2.0).name)),),
    recipes={"embedded": "fashion_mnist"},
)
SMALL_STUDIES = {s.name: s for s in (TRUNCATION, SWEEP, POLY_N, MASK_RCNN, FINETUNING, OWN)}
