import os
import sys
from pathlib import Path

from polyrepro.analysis.reference_folders import (
    SourceError,
    files_shown,
    reference_folders,
)
from polyrepro.files import write_atomically
from polyrepro.plan import Plan, PlanError
from polyrepro.report.caption_numbers import caption_numbers
from polyrepro.report.captions import CaptionError, captions
from polyrepro.running.closing_words import closing_words
from polyrepro.settings import SettingsError, check_settings
from polyrepro.sources import digest, project_files, source_files

try:
    PLAN = Plan(check_settings(config, tuple(Path(f) for f in workflow.configfiles)))
    PLAN.caches  # refused here if they do not fit the recipes
    captions()  # and here if a figure has none
    CAPTION_NUMBERS = caption_numbers()
    RESULTS = PLAN.settings.results
    SETTINGS = PLAN.settings
    REFERENCES = reference_folders(
        Path(RESULTS), SETTINGS.scale_label, SETTINGS.references
    )
except (SettingsError, PlanError, SourceError, CaptionError) as error:
    raise WorkflowError(str(error))

# The rules call `python`: the one that runs this Snakefile, whether or not it has been activated.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)


def detectors_first(wildcards):
    """They take longest: no core should wait at the end for the last of them."""
    return int(PLAN.batches[wildcards.batch].runs[0].recipe.kind != "classification")


wildcard_constraints:
    batch="[^/]+",
    dataset="[^/]+",
    selection="[^/]+",
    figure="[^/]+",


# What the commands of the rules read. It is no input of theirs: they have parameters for the part of
# the configuration that concerns them, so that a change of `device` or `seeds` draws no figure.
SETTINGS_FILE = f"{RESULTS}/settings.json"


onstart:
    write_atomically(Path(SETTINGS_FILE), SETTINGS.model_dump_json(indent=1) + "\n")


onsuccess:
    print(closing_words(PLAN, failed=False), file=sys.stderr)


onerror:
    print(closing_words(PLAN, failed=True), file=sys.stderr)
