"""A recipe for the streaming batches of small data sets."""

from polyrepro.recipes import ClassificationRecipe

SMALL = ClassificationRecipe(
    name="small",
    dataset="small",
    model="resnet10t",
    epochs=2,
    batch_size=8,
    images_per_device=2,
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=1e-4,
    warmup_epochs=0,
    horizontal_flip=True,
    image_size=24,
    evaluation_size=24,
    crop_fraction=0.875,
)


def recipe(**changes) -> ClassificationRecipe:
    """The small recipe with some fields changed."""
    return SMALL.model_copy(update=changes)
