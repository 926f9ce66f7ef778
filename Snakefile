"""PolyLoss (Leng et al., ICLR 2022): from configuration to report. See README.md."""


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/atlas.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.pdf",
        f"{RESULTS}/summary.md",
        f"{RESULTS}/claims.csv",
        FIGURES,
        rules.atlas.output,
