from polyrepro.figures import FIGURES as STUDY_OF_FIGURE

DRAWN = {
    name: study
    for name, study in STUDY_OF_FIGURE.items()
    if study is None or study in PLAN.settings.studies
}
FIGURES = expand(
    f"{RESULTS}/figures/{{figure}}.{{format}}", figure=DRAWN, format=["pdf", "png"]
)
# What is in the folder of the figures and is not a figure itself.
SHARED_BY_FIGURES = sorted(
    str(path)
    for path in Path("polyrepro/figures").glob("*.py")
    if path.stem not in STUDY_OF_FIGURE and path.stem != "__init__"
)


# One rule for each figure, because a caption's path cannot contain wildcards. A figure's code is
# an input: changing it draws that figure again and trains nothing.
for figure_name, figure_study in DRAWN.items():

    rule:
        name:
            f"figure_{figure_name}"
        input:
            code=[
                f"polyrepro/figures/{figure_name}.py",
                *SHARED_BY_FIGURES,
            ],
            # The figure without a study shows the losses themselves.
            shown=(
                [f"{RESULTS}/metrics.csv", f"{RESULTS}/statistics.csv"]
                if figure_study
                else sorted(
                    str(path) for path in Path("polyrepro/losses").glob("*.py")
                )
            ),
        output:
            pdf=f"{RESULTS}/figures/{figure_name}.pdf",
            png=report(
                f"{RESULTS}/figures/{figure_name}.png",
                category="Figures",
                caption=f"../report/{figure_name}.rst",
                labels={"figure": figure_name, "study": figure_study or "none"},
            ),
        log:
            f"{RESULTS}/logs/figures/{figure_name}.log",
        localrule: True
        conda:
            "../../environment.yml"
        params:
            figure=figure_name,
            results=lambda wildcards, output: Path(output.pdf).parents[1],
        shell:
            "python -m polyrepro figure {params.figure} --results {params.results} 2> {log}"
