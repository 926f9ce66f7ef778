"""PointPillars on KITTI: Poly-1 on the focal loss, for a laboratory with one GPU.

Paper: nothing; its PointPillars is trained on the Waymo Open Dataset (`pointpillars_epsilon`).
Command: snakemake --cores 16 --resources gpu=1 --configfile config/kitti.yaml
Compared with: the focal loss (gamma 2, alpha 0.25), trained alike. Poly-1 adds e1 (1 - P_t)^3,
weighed by alpha like the rest.
Expected: unknown. The paper's gains on Waymo are 0.4 and 0.7 points.
Cost: 4 runs per seed of about 11 V100-hours, see `polyrepro estimate --scale kitti`.
"""

from polyrepro.studies.claim import Claim, against_reference
from polyrepro.studies.pointpillars_epsilon import FOCAL, FOREGROUND_PT_FALLS, MARGIN, VARIANTS
from polyrepro.studies.study import Selection, Study

BEST = Selection(
    name="best_pointpillars_kitti", candidates=tuple(v.name for v in VARIANTS.values())
)

STUDY = Study(
    name="pointpillars_kitti",
    title="PointPillars on KITTI: Poly-1 on the focal loss",
    question="Does the first coefficient matter for PointPillars on a small data set of roads?",
    variants=(FOCAL, *VARIANTS.values()),
    recipes={"kitti": "pointpillars_kitti"},
    metric="ap40_moderate",
    also=(
        *(f"{name}_ap40_moderate" for name in ("car", "pedestrian", "cyclist")),
        *("ap40_easy", "ap40_hard", "bev_ap40_moderate", "ap11_moderate"),
    ),
    reference=FOCAL.name,
    selections=(BEST,),
    claims=(
        Claim(
            name="pointpillars_kitti_gain",
            statement="Poly-1 focal with a tuned coefficient raises PointPillars' AP on KITTI",
            quantity="gain of the selected coefficient in 3D AP40 at the level moderate, mean over "
            "three classes (points); the paper has no number for KITTI",
            contrasts=(
                against_reference(
                    f"@{BEST.name}", "ap40_moderate", reference=FOCAL.name, margin=MARGIN
                ),
            ),
        ),
        Claim(
            name="pointpillars_kitti_foreground_pt",
            statement="In PointPillars' head on KITTI a negative coefficient lowers the mean P_t "
            "of the foreground",
            quantity="change of mean P_t over the foreground of the last epoch with e1 = −1",
            contrasts=(FOREGROUND_PT_FALLS,),
        ),
    ),
)
