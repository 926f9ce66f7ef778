"""Foreground of range images: Poly-1 on the focal loss, an analogue of RSN's first stage.

Paper: Table 1, Waymo Open, RSN: 3D AP of vehicles 78.4 with the focal loss and 78.9 with Poly-1, of
pedestrians 79.4 and 80.2 (verified), with e1 = -0.4 (secondary). There is no public implementation
of RSN, so those rows are reported as not run. Its first stage segments the foreground of range
images with the focal loss; this is the same question for that stage alone, on drawn scenes. Its
metrics are of pixels, and no number of the paper belongs to them.
Command: snakemake --cores 2 --config studies=range_segmentation
Compared with: the focal loss (gamma 2, alpha 0.25), trained alike. Poly-1 adds e1 (1 - P_t)^3,
weighed by alpha like the rest.
Expected: e1 = -0.4 raises average precision by some tenths of a point, if at all; a negative
coefficient lowers the P_t of the foreground.
Cost: embedded 12 runs of 5 CPU seconds, half a minute on two cores.
"""

from polyrepro.studies.claim import Claim, against_reference
from polyrepro.studies.pointpillars_epsilon import (
    FOCAL,
    FOREGROUND_PT_FALLS,
    RSN_EPSILON,
    VARIANTS,
)
from polyrepro.studies.study import Study

MARGIN = 0.4
"""Points of average precision within which two losses count as equal: half the larger gain of RSN
in Table 1 (0.8 for pedestrians), which is one of boxes."""

STUDY = Study(
    name="range_segmentation",
    title="Foreground of range images: Poly-1 on the focal loss",
    question="Does RSN's coefficient help where the foreground of a range image is segmented?",
    variants=(FOCAL, *VARIANTS.values()),
    recipes={
        "embedded": "range_unet_lidar_scenes",
        "embedded_full": "range_unet_lidar_scenes",
    },
    metric="foreground_ap",
    also=("foreground_precision", "points_kept", "pedestrian_foreground_ap"),
    reference=FOCAL.name,
    most_seeds={"embedded": 3},
    claims=(
        Claim(
            name="range_segmentation_gain",
            statement="In an analogue of RSN's first stage, Poly-1 focal with RSN's coefficient "
            "raises the average precision of the foreground",
            quantity="change of the average precision over pixels with ε₁ = −0.4 (points); the "
            "paper's gains of RSN are in 3D AP of boxes and cannot be compared with it",
            contrasts=(
                against_reference(
                    VARIANTS[RSN_EPSILON].name,
                    "foreground_ap",
                    reference=FOCAL.name,
                    margin=MARGIN,
                ),
            ),
        ),
        Claim(
            name="range_segmentation_foreground_pt",
            statement="In the segmentation of range images a negative coefficient lowers the mean "
            "P_t of the foreground",
            quantity="change of mean P_t over the foreground of the last epoch with e1 = −1",
            contrasts=(FOREGROUND_PT_FALLS,),
        ),
    ),
)
