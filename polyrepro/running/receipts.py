"""Receipts: the one file that Snakemake knows of a job, naming the folders of its runs."""

import json
from pathlib import Path

from polyrepro.files import PREDICTIONS_FILE, RECORD_FILE, run_link
from polyrepro.plan import Plan
from polyrepro.running.records import has_predictions


def remove_stale_receipts(plan: Plan) -> None:
    """Have jobs whose records or predictions were removed by hand run again.

    Snakemake watches the receipts alone: the folders that they name are no outputs of rules.
    """
    results = Path(plan.settings.results)
    for name in plan.batches:
        receipt = results / "batches" / f"{name}.json"
        try:
            folders = json.loads(receipt.read_text())
            runs = [run_link(results, i).with_name(f) for i, f in folders.items()]
            whole = all(_is_whole(run) for run in runs)
        except FileNotFoundError:
            continue
        except (ValueError, TypeError, AttributeError):  # no receipt, or an older version's
            whole = False
        if not whole:
            receipt.unlink(missing_ok=True)


def _is_whole(folder: Path) -> bool:
    """Whether a run's folder has a record, and the predictions of which it speaks."""
    record = folder / RECORD_FILE
    if not record.exists():
        return False
    if (folder / PREDICTIONS_FILE).exists():  # without reading hundreds of records
        return True
    try:
        return has_predictions(folder, json.loads(record.read_bytes()))
    except (OSError, ValueError, AttributeError):
        return True  # `collect` refuses it, and says why
