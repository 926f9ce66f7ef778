from polyrepro.running.own_series import warnings_of_changed_series
from polyrepro.running.receipts import remove_stale_receipts

# The declared output is a receipt. The records themselves lie in run folders that no rule declares,
# because Snakemake deletes the declared outputs of failed and re-run jobs.
remove_stale_receipts(PLAN)

if workflow.is_main_process:
    for line in warnings_of_changed_series(PLAN):
        print(line, file=sys.stderr)


rule train:
    input:
        # Of all runs of a job the data and their caches, the coefficients chosen before theirs (greedy
        # search), and the jobs whose weights they start from (fine-tuning).
        data=lambda wildcards: expand(
            f"{RESULTS}/data/{{dataset}}/manifest.json",
            dataset=sorted(
                {run.recipe.dataset for run in PLAN.batches[wildcards.batch].runs}
            ),
        ),
        caches=lambda wildcards: expand(
            f"{RESULTS}/data/{{dataset}}/cache.json",
            dataset=sorted(
                {run.recipe.dataset for run in PLAN.batches[wildcards.batch].runs}
                & PLAN.caches.keys()
            ),
        ),
        selection=lambda wildcards: expand(
            f"{RESULTS}/selections/{{selection}}.json",
            selection=filter(None, [PLAN.batches[wildcards.batch].after]),
        ),
        pretraining=lambda wildcards: expand(
            f"{RESULTS}/batches/{{batch}}.json",
            batch=PLAN.batches_before(PLAN.batches[wildcards.batch]),
        ),
    output:
        f"{RESULTS}/batches/{{batch}}.json",
    log:
        f"{RESULTS}/logs/train/{{batch}}.log",
    priority: detectors_first
    conda:
        "../../environment.yml"
    threads: SETTINGS.processes_per_run * SETTINGS.cpus_per_process
    resources:
        gpu=SETTINGS.processes_per_run if SETTINGS.device == "cuda" else 0,
    params:
        settings=SETTINGS_FILE,
        runs=lambda wildcards: [run.id for run in PLAN.batches[wildcards.batch].runs],
        # Not used by the command: a changed recipe, loss or weights make Snakemake run it again.
        identity=lambda wildcards: [
            run.identity() for run in PLAN.batches[wildcards.batch].runs
        ],
        weights=sorted(given.sha256 for given in SETTINGS.weights.values()),
    shell:
        "python -m polyrepro train --configfile {params.settings:q}"
        " --receipt {output:q} {params.runs:q} 2> {log:q}"


rule select:
    input:
        batches=lambda wildcards: expand(
            f"{RESULTS}/batches/{{batch}}.json",
            batch=PLAN.batches_for(wildcards.selection),
        ),
        code=source_files("polyrepro.analysis.selection"),
    output:
        f"{RESULTS}/selections/{{selection}}.json",
    log:
        f"{RESULTS}/logs/select/{{selection}}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=SETTINGS_FILE,
        # Not used by the command: changed candidates make Snakemake choose again.
        study=lambda wildcards: digest(
            [PLAN.selections[wildcards.selection][0]],
            without=("title", "question", "claims", "also"),
        ),
    shell:
        "python -m polyrepro select {wildcards.selection} --configfile {params.settings:q} 2> {log:q}"
