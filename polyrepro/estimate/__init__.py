"""What a configuration costs before it is run: runs, GPU-hours, disk. Needs neither torch nor timm.

The runs are those of the plan, so they are the ones that Snakemake would train.
"""

from polyrepro.estimate.costs import Estimate, RecipeCost, StudyCost, estimate
from polyrepro.estimate.prices import plan_prices, study_prices
from polyrepro.estimate.table import describe, study_rows, sums
from polyrepro.estimate.throughputs import GIVEN, ThroughputError, read_throughputs

__all__ = [
    "GIVEN",
    "Estimate",
    "RecipeCost",
    "StudyCost",
    "ThroughputError",
    "describe",
    "estimate",
    "plan_prices",
    "read_throughputs",
    "study_prices",
    "study_rows",
    "sums",
]
