"""Identities of runs: today's stay what they are, whatever optional field is added.

A changed identity trains again what has been trained, at the paper's scale for thousands of
GPU-hours. `python tests/test_identities.py` writes the file anew, after a change that is meant.
"""

import json
from pathlib import Path

from pydantic import Field

from polyrepro.plan import Plan
from polyrepro.recipes import (
    RECIPES,
    ClassificationRecipe,
    Detection3DRecipe,
    DetectionRecipe,
    SegmentationRecipe,
)
from polyrepro.runs import Run, _what_differs
from polyrepro.settings import CONFIGURATIONS, check_settings, read_config
from polyrepro.studies import STUDIES
from polyrepro.variants import Loss, Variant

PINNED = Path(__file__).parent / "identities.json"


def identities():
    """Of the first seed of every run at every scale, by scale and id."""
    found = {}
    for scale, path in CONFIGURATIONS.items():
        plan = Plan(check_settings(read_config(path) | {"seeds": 1}))
        found[scale] = {run.id: run.identity()[:16] for run in plan.runs}
    return found


def defaults():
    """What the fields that are left out of an identity mean."""
    return {
        model.__name__: {
            name: field.default
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
        for model in (
            *(ClassificationRecipe, DetectionRecipe, Detection3DRecipe, SegmentationRecipe),
            Loss,
        )
    }


def test_identities_are_those_of_the_file():
    pinned = json.loads(PINNED.read_text())["identities"]
    assert identities() == pinned


def test_no_default_has_changed_its_meaning():
    """Else finished records would count for another training than the one that made them."""
    pinned = json.loads(PINNED.read_text())["defaults"]
    found = json.loads(json.dumps(defaults()))
    for model, fields in pinned.items():
        assert {name: found[model].get(name, "gone") for name in fields} == fields


def test_a_new_optional_field_changes_no_identity():
    class Grown(ClassificationRecipe):
        mixup: float = Field(default=0.0)

    old = RECIPES["fashion_mnist"]
    new = Grown.model_validate(old.model_dump())
    assert _what_differs(new) == _what_differs(old)
    assert _what_differs(new.model_copy(update={"mixup": 0.2})) != _what_differs(old)


def test_names_and_labels_do_not_count_but_all_that_is_trained_does():
    def identity(seed=0, prefix=(), **changes):
        variant = Variant(**{"name": "a", "loss": Loss()} | changes)
        recipe = RECIPES["fashion_mnist"]
        return Run(recipe=recipe, variant=variant, seed=seed, prefix=prefix).identity()

    assert identity() == identity(name="b") == identity(label="the same")
    losses = [
        Loss(arguments={"gamma": 2.0}),
        Loss(series="HardGate"),
        Loss(series="HardGate", arguments={"threshold": 0.6}),
        Loss(label_smoothing=0.1),
    ]
    others = [identity(loss=loss) for loss in losses]
    others += [identity(seed=1), identity(prefix=(1.0,)), identity(learning_rate_factor=2.0)]
    assert len({identity(), *others}) == 8


def test_no_two_runs_of_a_recipe_have_one_identity():
    """Two names for one training would train it twice."""
    for study in STUDIES.values():
        variants = [v for v in study.variants if v.after is None]
        recipe = next(iter(RECIPES.values()))
        found = {Run(recipe=recipe, variant=v, seed=0).identity() for v in variants}
        assert len(found) == len(variants)


if __name__ == "__main__":
    content = {"identities": identities(), "defaults": defaults()}
    PINNED.write_text(json.dumps(content, indent=1) + "\n")
