rule report:
    input:
        f"{RESULTS}/metrics.csv",
        f"{RESULTS}/statistics.csv",
        f"{RESULTS}/claims.csv",
        expand(f"{RESULTS}/data/{{dataset}}/manifest.json", dataset=DATASETS),
        FIGURES,
        rules.atlas.output,
        # The appendix on speed appears once `make bench` has been run.
        [str(path) for path in Path("results/benchmarks").glob("losses.*")],
        sorted(str(path) for path in Path("report").rglob("*.typ")),
        sorted(str(path) for path in Path("polyrepro/report").glob("*.py")),
    output:
        report(
            f"{RESULTS}/report.pdf", category="Report", caption="../report/report.rst"
        ),
        f"{RESULTS}/summary.md",
        f"{RESULTS}/report.json",
    log:
        f"{RESULTS}/logs/report.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        plan=PLAN_OPTIONS,
    shell:
        "python -m polyrepro report {params.plan} 2> {log}"
