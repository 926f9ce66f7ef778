"""The studies by name, in the order of the report. Needs neither torch nor timm."""

from polyrepro.studies import (
    alpha,
    baselines,
    classes,
    efficientnetv2_finetuning,
    efficientnetv2_pretraining,
    epsilon_sweep,
    gates,
    label_noise,
    long_tail,
    many_coefficients,
    mask_rcnn_epsilon,
    pointpillars_epsilon,
    pointpillars_kitti,
    poly1_lr,
    poly_n,
    powers,
    range_segmentation,
    retinanet_epsilon,
    training_length,
    truncation,
    truncation_lr,
)
from polyrepro.studies.consistency import check_studies

STUDIES = {
    study.name: study
    for study in (
        truncation.STUDY,
        truncation_lr.STUDY,
        *classes.STUDIES,
        epsilon_sweep.STUDY,
        poly_n.STUDY,
        many_coefficients.STUDY,
        powers.STUDY,
        long_tail.STUDY,
        poly1_lr.STUDY,
        training_length.STUDY,
        *label_noise.STUDIES,
        baselines.STUDY,
        gates.STUDY,
        alpha.STUDY,
        *efficientnetv2_pretraining.STUDIES,
        *efficientnetv2_finetuning.STUDIES,
        mask_rcnn_epsilon.STUDY,
        retinanet_epsilon.STUDY,
        pointpillars_epsilon.STUDY,
        pointpillars_kitti.STUDY,
        range_segmentation.STUDY,
    )
}
SCALES = (
    "embedded",
    "embedded_full",
    "cifar",
    "cifar_cpu",
    "imagenet_short",
    "coco_short",
    "kitti",
    "paper",
    "coco_folder",
)

check_studies(STUDIES.values(), SCALES)
