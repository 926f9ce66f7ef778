"""The studies by name, in the order of the report. Needs neither torch nor timm."""

from polyrepro.studies import (
    efficientnetv2_finetuning,
    efficientnetv2_pretraining,
    epsilon_sweep,
    long_tail,
    poly_n,
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
    )
}
SCALES = ("embedded", "paper")
