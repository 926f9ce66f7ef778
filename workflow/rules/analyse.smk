# With `finished_only` there may be no runs, and a table of none does not say its scale.
RUNS = [] if PLAN.runs else [f"--without-runs={SETTINGS.scale_label}"]


# The code of each stage is an input, and what the studies define is a parameter (not used by the
# command): what a table is made of decides when it is made again.
rule collect:
    input:
        batches=expand(f"{RESULTS}/batches/{{batch}}.json", batch=PLAN.batches),
        code=source_files(
            "polyrepro.analysis.metrics_table", "polyrepro.analysis.selection"
        ),
    output:
        f"{RESULTS}/metrics.csv",
    log:
        f"{RESULTS}/logs/collect.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=SETTINGS_FILE,
        scale=SETTINGS.scale_label,
        runs=[f"{run.id} {run.identity()} {run.label}" for run in PLAN.runs],
        studies=digest(
            PLAN.studies,
            without=("title", "question", "claims", "selections", "reference", "also"),
        ),
    shell:
        "python -m polyrepro collect --configfile {params.settings:q} --output {output:q} 2> {log:q}"


rule statistics:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        code=source_files("polyrepro.analysis.statistics"),
    output:
        report(
            f"{RESULTS}/statistics.csv",
            category="Tables",
            caption="../report/statistics.rst",
        ),
    log:
        f"{RESULTS}/logs/statistics.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        numbers=CAPTION_NUMBERS,  # for the caption
        studies=digest(PLAN.studies, without=("title", "question", "claims")),
        runs=RUNS,
    shell:
        "python -m polyrepro statistics {input.metrics:q} {params.runs:q} --output {output:q}"
        " 2> {log:q}"


rule claims:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        published=project_files("results/published", "*.csv"),
        # Prices are those of the configurations that come with the scales.
        configurations=project_files("config", "*.yaml"),
        code=source_files("polyrepro.analysis.claims"),
    output:
        report(
            f"{RESULTS}/claims.csv", category="Tables", caption="../report/claims.rst"
        ),
    log:
        f"{RESULTS}/logs/claims.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        studies=digest(PLAN.studies, without=("title", "question")),
        runs=RUNS,
    shell:
        "python -m polyrepro claims {input.metrics:q} {params.runs:q} --output {output:q}"
        " 2> {log:q}"
