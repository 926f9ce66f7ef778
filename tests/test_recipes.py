"""Recipes that share a definition stay the same where they should."""

from polyrepro.data import DATASETS
from polyrepro.recipes import RECIPES


def test_the_order_of_recipes_is_that_of_the_report():
    names = list(RECIPES)
    assert names[:2] == ["fashion_mnist", "fashion_mnist_long_tail"]
    assert names.index("kanji") < names.index("resnet50_imagenet1k")


def test_every_embedded_data_set_has_a_recipe_of_its_name():
    for name in DATASETS:
        assert RECIPES[name].dataset == name


def test_recipes_on_characters_differ_only_in_data_length_batch_and_rate():
    own = {"name", "dataset", "epochs", "batch_size", "images_per_device", "learning_rate"}
    common = RECIPES["kanji"].model_dump(exclude=own)
    derived = [recipe for name, recipe in RECIPES.items() if name.startswith("kanji_")]
    assert len(derived) == 6
    assert all(recipe.model_dump(exclude=own) == common for recipe in derived)
    assert all(recipe.passes_per_step == 1 for recipe in derived)
