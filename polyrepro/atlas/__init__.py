"""The loss atlas: the statements of a survey and an essay on losses, tested, with a figure each.

A theme is one file in this folder with a function `figure` and tests of statements. Importing
this package needs no matplotlib; the Snakefile does it to plan.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from polyrepro.errors import PolyreproError
from polyrepro.extras import how_to_install

if TYPE_CHECKING:
    import pandas as pd

THEMES = {
    "regression": "Regression losses",
    "outliers": "Outliers",
    "boosting": "Boosting under noise",
    "log_cosh": "Log-cosh and second derivatives",
    "intervals": "Prediction intervals",
    "margins": "Margins",
    "probabilities": "Losses and probabilities",
    "sparsity": "Sparsity",
    "embeddings": "Embeddings",
    "squared_classification": "Squared loss for classification",
    "gates": "Gates",
}
"""Name of the file, and of its figure, to the title; in the order of the report."""
STATEMENTS_FILE, PROPERTIES_FILE = "statements.csv", "properties.csv"


class AtlasError(PolyreproError):
    """The atlas cannot be made; the text says what is missing and how to get it."""


def write_atlas(folder: Path) -> None:
    """Test all statements and draw all figures; the same files, byte for byte, each time.

    Writes `statements.csv`, `properties.csv`, and `<theme>.pdf` and `.png` for each theme.

    Raises:
        AtlasError: if scikit-learn or LightGBM is missing.
        OSError: if the folder cannot be written.
    """
    from polyrepro.files import require_writable, write_atomically

    _require_libraries()
    require_writable(folder)
    from threadpoolctl import threadpool_limits

    from polyrepro.atlas.properties import properties_table
    from polyrepro.figures.saving import save
    from polyrepro.figures.style import in_style

    # Sums over several threads depend on their number.
    with threadpool_limits(1):
        statements = statements_table()
        properties = properties_table()
        for theme in THEMES:
            with in_style():
                save([import_module(f"polyrepro.atlas.{theme}").figure()], folder / theme)
    write_atomically(folder / STATEMENTS_FILE, statements.to_csv(index=False))
    write_atomically(folder / PROPERTIES_FILE, properties.to_csv(index=False))


def statements_table() -> "pd.DataFrame":
    """Every statement with its `theme`, `name`, `text`, `source`, `outcome` and `evidence`."""
    import pandas as pd

    from polyrepro.atlas.statements import tests_in

    rows = []
    for theme in THEMES:
        for test in tests_in(import_module(f"polyrepro.atlas.{theme}")):
            statement, found = test.statement, test()
            rows.append(
                {
                    "theme": theme,
                    "name": statement.name,
                    "text": statement.text,
                    "source": statement.source,
                    "outcome": found.outcome,
                    "evidence": found.evidence,
                }
            )
    return pd.DataFrame(rows)


def _require_libraries() -> None:
    for module, name in (("sklearn", "scikit-learn"), ("lightgbm", "lightgbm")):
        try:
            # LightGBM needs an OpenMP library, which torch brings where the system has none.
            import_module("torch")
            import_module(module)
        except (ImportError, OSError) as error:
            raise AtlasError(
                f"the atlas needs {name}, which cannot be imported ({error}); "
                f"run {how_to_install('workflow')}"
            ) from None
