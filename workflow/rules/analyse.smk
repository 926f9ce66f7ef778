rule collect:
    input:
        expand(f"{RESULTS}/batches/{{batch}}.json", batch=PLAN.batches),
    output:
        f"{RESULTS}/metrics.csv",
    log:
        f"{RESULTS}/logs/collect.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        plan=PLAN_OPTIONS,
        # Not used by the command: a changed grid makes Snakemake collect again.
        runs=[run.id for run in PLAN.runs],
    shell:
        "python -m polyrepro collect {params.plan} --output {output} 2> {log}"


rule statistics:
    input:
        f"{RESULTS}/metrics.csv",
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
    shell:
        "python -m polyrepro statistics {input} --output {output} 2> {log}"


rule claims:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        published=["results/published/numbers.csv", "results/published/statements.csv"],
    output:
        report(
            f"{RESULTS}/claims.csv", category="Tables", caption="../report/claims.rst"
        ),
    log:
        f"{RESULTS}/logs/claims.log",
    localrule: True
    conda:
        "../../environment.yml"
    shell:
        "python -m polyrepro claims {input.metrics} --output {output} 2> {log}"
