"""The studies by name, in the order of the report. Needs neither torch nor timm."""

from polyrepro.studies import (
    efficientnetv2_finetuning,
    efficientnetv2_pretraining,
    epsilon_sweep,
    long_tail,
    mask_rcnn_epsilon,
    poly_n,
    retinanet_epsilon,
    truncation,
    truncation_lr,
)

STUDIES = {
    study.name: study
    for study in (
        truncation.STUDY,
        truncation_lr.STUDY,
        epsilon_sweep.STUDY,
        poly_n.STUDY,
        long_tail.STUDY,
        *efficientnetv2_pretraining.STUDIES,
        *efficientnetv2_finetuning.STUDIES,
        mask_rcnn_epsilon.STUDY,
        retinanet_epsilon.STUDY,
    )
}
SCALES = ("embedded", "paper", "coco_folder")
