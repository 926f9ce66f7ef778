from polyrepro.figures import FIGURES as STUDY_OF_FIGURE, OF_CLAIMS, file_of, tables_of
from polyrepro.studies import STUDIES

DRAWN = {
    name: study
    for name, study in STUDY_OF_FIGURE.items()
    if study is None or study in {study.name for study in PLAN.studies}
}
FIGURES = expand(
    f"{RESULTS}/figures/{{figure}}.{{format}}", figure=DRAWN, format=["pdf", "png"]
)


def shows_published(name):
    """Whether the code of a figure reads the published numbers."""
    code = source_files(f"polyrepro.figures.{file_of(name)}")
    return any(path.endswith("analysis/published.py") for path in code)


# One rule for each figure, because a caption's path cannot contain wildcards. A figure depends on
# its own code, on the tables and the runs of its study, and on what the study defines.
for figure_name, figure_study in DRAWN.items():

    rule:
        name:
            f"figure_{figure_name}"
        input:
            code=source_files(f"polyrepro.figures.{file_of(figure_name)}"),
            tables=[f"{RESULTS}/{table}" for table in tables_of(figure_name)],
            references=files_shown(REFERENCES) if figure_name in OF_CLAIMS else [],
            published=(
                project_files("results/published", "*.csv")
                if figure_study and shows_published(figure_name)
                else []
            ),
            # Predictions and histories lie in the runs' folders, which the receipts name.
            runs=(
                expand(
                    f"{RESULTS}/batches/{{batch}}.json",
                    batch=PLAN.batches_of(STUDIES[figure_study]),
                )
                if figure_study
                else []
            ),
        output:
            pdf=f"{RESULTS}/figures/{figure_name}.pdf",
            png=report(
                f"{RESULTS}/figures/{figure_name}.png",
                category="Figures",
                caption=f"../report/{file_of(figure_name)}.rst",
                labels={"figure": figure_name, "study": figure_study or "none"},
            ),
        log:
            f"{RESULTS}/logs/figures/{figure_name}.log",
        localrule: True
        conda:
            "../../environment.yml"
        params:
            figure=figure_name,
            numbers=CAPTION_NUMBERS,  # for the caption
            results=lambda wildcards, output: Path(output.pdf).parents[1],
            references=(
                ["--references", *map(str, REFERENCES)]
                if figure_name in OF_CLAIMS and REFERENCES
                else []
            ),
            study=digest(
                [STUDIES[figure_study]] if figure_study else [],
                without=("title", "question", "claims"),
            ),
            # Of the claims a figure shows the margins at most.
            margins=[
                contrast.margin
                for claim in (STUDIES[figure_study].claims if figure_study else ())
                for contrast in claim.contrasts
            ],
        shell:
            "python -m polyrepro figure {params.figure} --results {params.results:q}"
            " {params.references:q} 2> {log:q}"
