"""What each study costs, for tables that say so beside its command."""

from polyrepro.estimate.costs import estimate
from polyrepro.estimate.table import short
from polyrepro.estimate.throughputs import GIVEN, read_throughputs
from polyrepro.plan import Plan
from polyrepro.settings import CONFIGURATIONS, check_settings, read_config


def study_prices(scale: str) -> dict[str, str]:
    """What each study costs as the configuration that comes with the scale has it."""
    settings = check_settings(read_config(CONFIGURATIONS[scale]) | {"studies": "all"})
    return plan_prices(Plan(settings))


def plan_prices(plan: Plan) -> dict[str, str]:
    """Study to the device-hours it costs alone, like `875 GPU-hours`; empty if any are unknown.

    Throughputs are the published ones: a table must not depend on whether `make bench` was run on
    this machine.
    """
    costs = estimate(plan, read_throughputs(GIVEN, measured=()))
    unit = f"{costs.processor.upper()}-hours"
    return {
        study.name: "" if study.unknown else f"{short(study.hours)} {unit}"
        for study in costs.studies
    }
