"""Embedded scale, many classes: the small convolutional network on a thousand characters.

Learning rate, batch and length are being chosen by `scripts/tune_kanji.py`; the values below are
where that search starts.
"""

from polyrepro.recipes.classification import ClassificationRecipe

KANJI = ClassificationRecipe(
    name="kanji",
    dataset="kanji",
    model="polyrepro_convnet",
    epochs=4,
    batch_size=128,
    images_per_device=128,
    learning_rate=0.2,
    momentum=0.9,
    weight_decay=5e-4,
    warmup_epochs=0.5,
    max_shift=2,
    horizontal_flip=False,
    image_size=28,
    evaluation_size=28,
)
"""18,000 images of 1,000 classes."""


def _on(dataset: str, learning_rate: float, batch: int = 128, epochs: int = 4):
    """The recipe on a data set derived from these images."""
    return KANJI.model_copy(
        update={
            "name": dataset,
            "dataset": dataset,
            "epochs": epochs,
            "batch_size": batch,
            "images_per_device": batch,
            "learning_rate": learning_rate,
        }
    )


KANJI_RECIPES = (
    KANJI,
    _on("kanji_long_tail", learning_rate=0.2, batch=64, epochs=9),
    _on("kanji_noise20", learning_rate=0.2),
    _on("kanji_noise40", learning_rate=0.2),
    _on("kanji_two_class", learning_rate=0.2),
    _on("kanji_100", learning_rate=0.2, batch=64, epochs=20),
    _on("kanji_10", learning_rate=0.2, batch=32, epochs=60),
)
"""Fewer images get more epochs."""
