"""Mask R-CNN: Poly-1 in the classification loss of the box head.

Paper: Table 1, COCO, Mask R-CNN: box AR 47.2 with cross-entropy, 49.7 with Poly-1, mask AR 42.3 and
44.4 (verified), e1 = -1 (secondary).
Command: snakemake --cores 2 --config studies=mask_rcnn_epsilon; on a cluster the same with
--configfile config/paper.yaml; on other data with scale=coco_folder.
Expected: a negative e1 raises AR and lowers the mean P_t (COCO; the detector is over-confident).
One public re-run by others (Swin-T, one seed) confirms the gain in AR (box 55.5 to 57.4, mask 51.6
to 53.5) and finds AP unmoved (42.8, 39.4), so AP and AR are always reported together.
Cost: embedded 15 runs, 3 minutes on two cores; coco_short and paper 5 runs per seed,
see `polyrepro estimate`.
"""

from polyrepro.studies.claim import PRECISION_MARGIN, Claim, against_reference, equals_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import cross_entropy, poly1

EPSILONS = (-1.0, -0.5, 1.0, 2.0)
PAPER_CHOICE = poly1(-1.0).name
BEST = Selection(name="best_mask_rcnn", candidates=tuple(poly1(e).name for e in EPSILONS))

STUDY = Study(
    name="mask_rcnn_epsilon",
    title="Mask R-CNN: Poly-1 in the box head",
    question="Does lowering the first coefficient find more objects, and does it cost precision?",
    variants=(cross_entropy(), *(poly1(e) for e in EPSILONS)),
    recipes={
        "embedded": "mask_rcnn_composites",
        "embedded_full": "mask_rcnn_composites",
        "coco_short": "mask_rcnn_coco_short",
        "paper": "mask_rcnn_coco",
        "coco_folder": "mask_rcnn_coco_folder",
    },
    metric="box_ar100",
    also=("box_ap", "mask_ar100", "mask_ap"),
    most_seeds={"embedded": 3},
    selections=(BEST,),
    claims=(
        Claim(
            name="mask_rcnn_box_ar",
            statement="Poly-1 with e1 = −1 raises the box AR of Mask R-CNN",
            published="coco_box_ar_gain",
            quantity="gain with e1 = −1 in box AR (points)",
            contrasts=(against_reference(PAPER_CHOICE, "box_ar100", margin=PRECISION_MARGIN),),
        ),
        Claim(
            name="mask_rcnn_mask_ar",
            statement="Poly-1 with e1 = −1 raises the mask AR of Mask R-CNN",
            published="coco_mask_ar_gain",
            quantity="gain with e1 = −1 in mask AR (points)",
            contrasts=(against_reference(PAPER_CHOICE, "mask_ar100", margin=PRECISION_MARGIN),),
        ),
        *(
            Claim(
                name=f"mask_rcnn_{what}_ap",
                statement=f"Poly-1 with e1 = −1 leaves the {what} AP of Mask R-CNN unchanged",
                published="rerun_ap_unmoved",
                quantity=f"change with e1 = −1 in {what} AP (points)",
                contrasts=(equals_reference(PAPER_CHOICE, f"{what}_ap", PRECISION_MARGIN),),
            )
            for what in ("box", "mask")
        ),
        Claim(
            name="mask_rcnn_mean_pt",
            statement="In Mask R-CNN's box head a negative coefficient lowers the mean P_t",
            published="epsilon_sign_moves_mean_pt",
            quantity="change of mean P_t over the sampled boxes of the last epoch with e1 = −1",
            contrasts=(against_reference(PAPER_CHOICE, "mean_pt", sign=-1, split="train"),),
        ),
    ),
)
