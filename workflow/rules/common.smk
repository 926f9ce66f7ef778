import os
import sys
from pathlib import Path

from polyrepro.plan import Plan
from polyrepro.settings import SettingsError, check_settings
from polyrepro.sources import digest, project_files, source_files

try:
    PLAN = Plan(check_settings(config, tuple(Path(f) for f in workflow.configfiles)))
except SettingsError as error:
    raise WorkflowError(str(error))

RESULTS = PLAN.settings.results
SETTINGS = PLAN.settings

# The rules call `python`: the one that runs this Snakefile, whether or not it has been activated.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)


wildcard_constraints:
    batch="[^/]+",
    dataset="[^/]+",
    selection="[^/]+",
    figure="[^/]+",


# What the commands of the other rules read. Those rules take it as `ancient`: they have parameters
# for the part of the configuration that concerns them, so that `device` or `seeds` draws no figure.
rule settings:
    output:
        f"{RESULTS}/settings.json",
    log:
        f"{RESULTS}/logs/settings.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=SETTINGS.model_dump_json(indent=1),
    shell:
        "printf '%s\n' {params.settings:q} > {output:q} 2> {log:q}"
