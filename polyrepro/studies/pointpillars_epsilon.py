"""PointPillars: Poly-1 on the focal loss, for boxes in LiDAR sweeps.

Paper: Table 1, Waymo Open, PointPillars: 3D AP of vehicles 63.3 with the focal loss and 63.7 with
Poly-1, of pedestrians 68.9 and 69.6 (verified; that this is AP of level 1 is inferred). The
coefficient is unknown; RSN's is -0.4 (secondary).
Command: snakemake --cores 2 --config studies=pointpillars_epsilon; on a cluster the same with
--configfile config/paper.yaml.
Compared with: the focal loss (gamma 2, alpha 0.25), trained alike; other code reaches other values
with it than the paper's, so only differences are compared with the paper's gains. Poly-1 adds
e1 (1 - P_t)^3, weighed by alpha like the rest.
Expected: gains of some tenths of a point, if any; P_t moves with the coefficient.
Cost: embedded 12 runs of 25 CPU seconds, 2.5 minutes on two cores; paper 4 runs per seed, see
`polyrepro estimate` (its price is a guess).
"""

from polyrepro.studies.claim import Claim, against_reference
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import focal, poly1_focal

GAMMA = 2.0
RSN_EPSILON = -0.4
"""What the paper uses for its other detector on the same data (secondary)."""
EPSILONS = (-1.0, RSN_EPSILON, 1.0)
FOCAL = focal(GAMMA)
VARIANTS = {epsilon: poly1_focal(epsilon, GAMMA) for epsilon in EPSILONS}
BEST = Selection(name="best_pointpillars", candidates=tuple(v.name for v in VARIANTS.values()))
MARGIN = 0.35
"""Points of AP within which two losses count as equal: half the largest gain of PointPillars in
Table 1 (0.7 for pedestrians)."""
FOREGROUND_PT_FALLS = against_reference(
    VARIANTS[-1.0].name, "mean_pt_foreground", sign=-1, reference=FOCAL.name, split="train"
)
"""What a negative coefficient does to the foreground of a dense head, in training."""

STUDY = Study(
    name="pointpillars_epsilon",
    title="PointPillars: Poly-1 on the focal loss",
    question="Does the first coefficient matter where one anchor in a thousand is right?",
    variants=(FOCAL, *VARIANTS.values()),
    recipes={
        "embedded": "pointpillars_lidar_scenes",
        "embedded_full": "pointpillars_lidar_scenes",
        "paper": "pointpillars_waymo",
    },
    metric="ap_l1",
    also=("vehicle_ap_l1", "pedestrian_ap_l1", "vehicle_aph_l1", "pedestrian_aph_l1"),
    reference=FOCAL.name,
    most_seeds={"embedded": 3},
    selections=(BEST,),
    claims=(
        *(
            Claim(
                name=f"pointpillars_{what}_gain",
                statement="Poly-1 focal with a tuned coefficient raises PointPillars' AP of "
                f"{what}s",
                published=f"waymo_pointpillars_{what}_gain",
                quantity=f"gain of the selected coefficient in 3D AP L1 of {what}s over the focal "
                "loss, whose own AP is not the paper's (points)",
                contrasts=(
                    against_reference(
                        f"@{BEST.name}", f"{what}_ap_l1", reference=FOCAL.name, margin=MARGIN
                    ),
                ),
            )
            for what in ("vehicle", "pedestrian")
        ),
        Claim(
            name="pointpillars_foreground_pt",
            statement="In PointPillars' head a negative coefficient lowers the mean P_t of the "
            "foreground",
            quantity="change of mean P_t over the foreground of the last epoch with e1 = −1",
            contrasts=(FOREGROUND_PT_FALLS,),
        ),
    ),
)
