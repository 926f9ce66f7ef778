rule report:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        statistics=f"{RESULTS}/statistics.csv",
        claims=f"{RESULTS}/claims.csv",
        data=expand(f"{RESULTS}/data/{{dataset}}/manifest.json", dataset=DATASETS),
        figures=FIGURES,
        atlas=rules.atlas.output,
        published=project_files("results/published", "*.csv"),
        # The appendix on speed appears once `make bench` has been run.
        benchmarks=project_files("results/benchmarks", "losses.*"),
        simulated=project_files("results/reference", "verdicts.csv"),
        references=files_shown(REFERENCES),
        text=project_files("report", "**/*.typ"),
        captions=project_files("workflow/report", "*.rst"),
        bibliography=project_files("report", "*.bib"),
        page=project_files("report", "page.*"),
        code=source_files(
            "polyrepro.report",
            "polyrepro.report.values",
            "polyrepro.report.summary",
            "polyrepro.report.page",
        ),
    output:
        report(
            f"{RESULTS}/report.pdf", category="Report", caption="../report/report.rst"
        ),
        report(
            f"{RESULTS}/report.html", category="Report", caption="../report/report.rst"
        ),
        f"{RESULTS}/summary.md",
        f"{RESULTS}/report.json",
    log:
        f"{RESULTS}/logs/report.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=SETTINGS_FILE,
        # Not used by the command.
        studies=digest(PLAN.studies),
        runs=[run.id for run in PLAN.runs],
    shell:
        "python -m polyrepro report --configfile {params.settings:q} 2> {log:q}"
