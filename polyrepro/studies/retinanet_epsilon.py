"""RetinaNet: Poly-1 on the focal loss of the dense head.

Paper: an appendix tests RetinaNet on COCO; its numbers are unknown to us. Table 1 has Poly-1 on the
focal loss for 3D detection on Waymo (e1 = -0.4 for RSN, secondary).
Command: snakemake --cores 2 --config studies=retinanet_epsilon; on a cluster the same with
--configfile config/paper.yaml; on other data with scale=coco_folder.
Compared with: the focal loss (gamma 2, alpha 0.25), not with cross-entropy. Poly-1 adds
e1 (1 - P_t)^3, weighed by alpha like the rest.
Expected: unknown; that a negative e1 lowers the mean P_t is known of Mask R-CNN only.
Cost: embedded 15 runs, 2 minutes on two cores; coco_short and paper 5 runs per seed,
see `polyrepro estimate`.
"""

from polyrepro.studies.claim import PRECISION_MARGIN, Claim, against_reference, equals_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import focal, poly1_focal

GAMMA = 2.0
EPSILONS = (-1.0, -0.5, 1.0, 2.0)
FOCAL = focal(GAMMA)
VARIANTS = {epsilon: poly1_focal(epsilon, GAMMA) for epsilon in EPSILONS}
BEST = Selection(name="best_retinanet", candidates=tuple(v.name for v in VARIANTS.values()))

STUDY = Study(
    name="retinanet_epsilon",
    title="RetinaNet: Poly-1 on the focal loss",
    question="Does the first coefficient matter on top of the focal loss?",
    variants=(FOCAL, *VARIANTS.values()),
    recipes={
        "embedded": "retinanet_composites",
        "embedded_full": "retinanet_composites",
        "coco_short": "retinanet_coco_short",
        "paper": "retinanet_coco",
        "coco_folder": "retinanet_coco_folder",
    },
    metric="box_ar100",
    also=("box_ap",),
    reference=FOCAL.name,
    most_seeds={"embedded": 3},
    selections=(BEST,),
    claims=(
        Claim(
            name="retinanet_gain",
            statement="Poly-1 focal with a tuned coefficient raises the box AR of RetinaNet",
            published="retinanet_tested",
            quantity="gain of the selected coefficient in box AR (points)",
            contrasts=(
                against_reference(
                    f"@{BEST.name}",
                    "box_ar100",
                    reference=FOCAL.name,
                    margin=PRECISION_MARGIN,
                ),
            ),
        ),
        Claim(
            name="retinanet_ap",
            statement="The coefficient tuned for box AR leaves the box AP of RetinaNet unchanged",
            quantity="change with the selected coefficient in box AP (points)",
            contrasts=(
                equals_reference(f"@{BEST.name}", "box_ap", PRECISION_MARGIN, reference=FOCAL.name),
            ),
        ),
    ),
)
