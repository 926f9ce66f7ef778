"""The studies by name, in the order of the report. Importing them needs neither torch nor timm."""

from polyrepro.studies import epsilon_sweep, long_tail, poly_n, truncation, truncation_lr

STUDIES = {
    module.STUDY.name: module.STUDY
    for module in (truncation, truncation_lr, epsilon_sweep, poly_n, long_tail)
}
SCALES = ("embedded",)
