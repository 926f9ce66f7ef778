from polyrepro.atlas import PROPERTIES_FILE, STATEMENTS_FILE, THEMES

ATLAS = f"{RESULTS}/atlas"


# One rule for all themes, which share fits and imports; together they take half a minute.
rule atlas:
    input:
        code=source_files(
            "polyrepro.atlas",
            "polyrepro.atlas.properties",
            *(f"polyrepro.atlas.{theme}" for theme in THEMES),
        ),
    output:
        report(
            f"{ATLAS}/{STATEMENTS_FILE}",
            category="Loss atlas",
            caption="../report/atlas_statements.rst",
        ),
        report(
            f"{ATLAS}/{PROPERTIES_FILE}",
            category="Loss atlas",
            caption="../report/atlas_properties.rst",
        ),
        [f"{ATLAS}/{theme}.pdf" for theme in THEMES],
        [
            report(
                f"{ATLAS}/{theme}.png",
                category="Loss atlas",
                caption=f"../report/atlas_{theme}.rst",
                labels={"figure": title},
            )
            for theme, title in THEMES.items()
        ],
    log:
        f"{RESULTS}/logs/atlas.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        folder=subpath(output[0], parent=True),
        numbers=CAPTION_NUMBERS,  # for the captions
    shell:
        "python -m polyrepro atlas --output {params.folder:q} 2> {log:q}"
