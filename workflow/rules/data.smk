DATASETS = sorted({run.recipe.dataset for run in PLAN.runs})


rule verify_data:
    output:
        f"{RESULTS}/data_manifest.json",
    log:
        f"{RESULTS}/logs/verify_data.log",
    conda:
        "../../environment.yml"
    params:
        datasets=DATASETS,
    shell:
        "python -m polyrepro verify-data {params.datasets} --output {output} 2> {log}"
