"""PolyLoss (Leng et al., ICLR 2022): from configuration to report. See README.md."""

import os

# A configuration in the working directory comes before the one beside this file.
BESIDE = "." if os.path.exists("config/config.yaml") else workflow.basedir


configfile: f"{BESIDE}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/atlas.smk"
include: "workflow/rules/report.smk"


# What lies between data and report is named here too, so that it is made again if it was removed.
rule all:
    default_target: True
    input:
        expand(f"{RESULTS}/batches/{{batch}}.json", batch=PLAN.batches),
        expand(f"{RESULTS}/selections/{{selection}}.json", selection=PLAN.waited_for),
        f"{RESULTS}/metrics.csv",
        f"{RESULTS}/statistics.csv",
        f"{RESULTS}/claims.csv",
        FIGURES,
        rules.atlas.output,
        f"{RESULTS}/report.pdf",
        f"{RESULTS}/summary.md",
