# The declared output is a receipt. The records themselves lie in run folders that no rule declares,
# because Snakemake deletes the declared outputs of failed and re-run jobs.


rule train:
    input:
        f"{RESULTS}/data_manifest.json",
        # Runs of a greedy search wait for the coefficients chosen before theirs.
        lambda wildcards: expand(
            f"{RESULTS}/selections/{{selection}}.json",
            selection=filter(None, [PLAN.batches[wildcards.batch].after]),
        ),
    output:
        f"{RESULTS}/batches/{{batch}}.json",
    log:
        f"{RESULTS}/logs/train/{{batch}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        runs=lambda wildcards: [run.id for run in PLAN.batches[wildcards.batch].runs],
        # Not used by the command: a changed recipe or loss makes Snakemake run the job again.
        identity=lambda wildcards: [
            run.identity() for run in PLAN.batches[wildcards.batch].runs
        ],
        options=f"--results {RESULTS} {override_options(PLAN.settings.overrides)}".rstrip(),
    shell:
        "python -m polyrepro train {params.options} --threads {threads}"
        " --receipt {output} {params.runs} 2> {log}"


rule select:
    input:
        lambda wildcards: expand(
            f"{RESULTS}/batches/{{batch}}.json",
            batch=PLAN.batches_for(wildcards.selection),
        ),
    output:
        f"{RESULTS}/selections/{{selection}}.json",
    log:
        f"{RESULTS}/logs/select/{{selection}}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        plan=PLAN_OPTIONS,
    shell:
        "python -m polyrepro select {wildcards.selection} {params.plan} 2> {log}"
