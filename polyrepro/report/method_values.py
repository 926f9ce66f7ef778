"""What the methods section says about each study and recipe, beyond the table of recipes."""

from pathlib import Path

from polyrepro.analysis.image_resampling import DETECTOR_SAMPLES, SAMPLES
from polyrepro.analysis.selection import choosing_seeds, fresh_seeds
from polyrepro.data.manifests import read_manifest
from polyrepro.estimate.sizes import WEIGHTS
from polyrepro.files import data_folder
from polyrepro.plan import Plan
from polyrepro.recipes.classification import ClassificationRecipe
from polyrepro.report.labels import METRIC_LABELS
from polyrepro.studies.study import Study

NETWORK = "polyrepro_convnet"
KERNELS = "7 × 7 with stride 4 and 16 filters, then 3 × 3 with stride 2 and 48"
"""The convolutions of `NETWORK`, in words; a test compares them with the network itself."""


def method_values(plan: Plan) -> dict:
    """Numbers of the methods section.

    Returns:
        `studies`: what each study compares, with which seeds and margins; `momentum` and `side`
        (pixels) of the classifiers' recipes, as text; `network`: of the small network, its
        convolutions and the inputs of its last layer; `imbalance`: data set to the size of its
        largest training class over that of its smallest, where they differ; `samples`,
        `detector_samples`: of the bootstrap.
    """
    recipes = [plan.recipe_of(study) for study in plan.described]
    classifiers = [r for r in recipes if isinstance(r, ClassificationRecipe)]
    _, features = WEIGHTS[NETWORK]
    return {
        "studies": [_study(plan, study) for study in plan.described],
        "momentum": _distinct(f"{recipe.momentum:g}" for recipe in classifiers),
        "side": _distinct(f"{recipe.image_size}" for recipe in classifiers),
        "network": {"kernels": KERNELS, "features": str(features)},
        "imbalance": _imbalances(plan, sorted({recipe.dataset for recipe in classifiers})),
        "samples": str(SAMPLES),
        "detector_samples": str(DETECTOR_SAMPLES),
    }


def _study(plan: Plan, study: Study) -> dict:
    scale, seeds = plan.settings.scale, plan.settings.seeds
    run = range(study.seeds_at(scale, seeds))
    contrasts = [contrast for claim in study.claims for contrast in claim.contrasts]
    margins = sorted({c.margin for c in contrasts if c.margin})
    return {
        "title": study.title,
        "recipe": plan.recipe_of(study).name,
        "metric": METRIC_LABELS.get(study.metric, study.metric),
        "variants": len(study.variants_at(scale)),
        "seeds": len(run),
        "choose": len(choosing_seeds(study, run)) if study.selections else 0,
        "test": len(fresh_seeds(study, run)) if study.selections else len(run),
        "planned": _distinct(str(claim.seeds) for claim in study.claims),
        "margins": ", ".join(f"{margin:g}" for margin in margins) or "–",
    }


def _imbalances(plan: Plan, datasets: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in datasets if plan.runs else []:  # without runs no data were verified
        manifest = read_manifest(data_folder(Path(plan.settings.results), name))
        counts = manifest["splits"]["train"].get("per_class", [])
        if counts and min(counts) < max(counts):
            found[name] = f"{max(counts) / min(counts):.0f}"
    return found


def _distinct(texts) -> str:
    return ", ".join(dict.fromkeys(texts))
