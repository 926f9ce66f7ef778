DATASETS = sorted({run.recipe.dataset for run in PLAN.runs})


rule verify_data:
    output:
        f"{RESULTS}/data/{{dataset}}/manifest.json",
    log:
        f"{RESULTS}/logs/verify_data/{{dataset}}.log",
    priority: 2  # what trainings wait for; theirs is at most 1
    conda:
        "../../environment.yml"
    threads: SETTINGS.cpus_per_process
    params:
        # Embedded data sets lie in the package and need no root; a long tail is made of the images
        # of its data set.
        options=lambda wildcards: [
            f"--{option}={paths[dataset]}"
            for option, paths in (("root", SETTINGS.data), ("labels", SETTINGS.labels))
            for dataset in [wildcards.dataset.removesuffix("_long_tail")]
            if dataset in paths
        ],
        folder=subpath(output[0], parent=True),
    shell:
        "python -m polyrepro data verify {wildcards.dataset} {params.options:q}"
        " --output {params.folder:q} 2> {log:q}"


# Only the receipt is an output: the cache lies where the configuration says, and outlives results.
rule cache_data:
    input:
        f"{RESULTS}/data/{{dataset}}/manifest.json",
    output:
        f"{RESULTS}/data/{{dataset}}/cache.json",
    log:
        f"{RESULTS}/logs/cache_data/{{dataset}}.log",
    conda:
        "../../environment.yml"
    threads: SETTINGS.processes_per_run * SETTINGS.cpus_per_process
    params:
        index=subpath(input[0], parent=True),
        folder=lambda wildcards: PLAN.caches[wildcards.dataset][0],
        shorter_side=lambda wildcards: PLAN.caches[wildcards.dataset][1],
    shell:
        "python -m polyrepro data cache --index {params.index:q} --output {params.folder:q}"
        " --shorter-side {params.shorter_side} --workers {threads} --receipt {output:q} 2> {log:q}"
