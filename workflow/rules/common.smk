import os
import sys
from pathlib import Path

from polyrepro.cli import plan_options, train_options
from polyrepro.plan import Plan
from polyrepro.settings import SettingsError, check_settings

try:
    PLAN = Plan(check_settings(config, tuple(Path(f) for f in workflow.configfiles)))
except SettingsError as error:
    raise WorkflowError(str(error))

RESULTS = PLAN.settings.results
PLAN_OPTIONS = plan_options(PLAN.settings)
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
