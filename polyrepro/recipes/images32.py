"""Images of 32 pixels: ResNet-9 on a GPU, the same with a quarter of the channels on a CPU.

Source of ResNet-9: David Page, "How to train your ResNet", and davidcpage/cifar10-fast (`dawn.py`):
batch 512, 24 epochs, learning rate 0.4 after 5 epochs of linear rise, Nesterov momentum 0.9, weight
decay 5e-4, half precision, images with 4 pixels more on each side (as in a mirror) cut at random to
32, mirrored at random, a hidden square of 8 pixels, no label smoothing.
Ours: 30 epochs, a cosine instead of the linear fall, no weight decay of biases and normalisation,
bfloat16; a tenth of the training images is held out to choose hyper-parameters on. The learning
rate is that of the source.
Expected: 94.1 % on CIFAR-10 after 24 epochs on all training images (the source; repeated by
KellerJordan/cifar10-airbench for its later form of 10 epochs). Ours has not been measured.

The learning rate of the small network was chosen for cross-entropy by `scripts/tune_images32.py`,
on validation images of a JPEG re-encoding of CIFAR-10 and a seed that no study uses, before any
other loss was trained; results in `results/reference/tuning/images32.csv`. Validation accuracy is
83.6 % at 0.1 and at 0.2, 83.3 % at 0.05, 82.4 % at 0.4. All else is ResNet-9's or was set by hand:
6 epochs, batch 128, shifts of 2 pixels, nothing hidden, bfloat16. Long tail and longer training
have the same values, untuned.
"""

from polyrepro.recipes.classification import ClassificationRecipe

RESNET9 = ClassificationRecipe(
    name="resnet9_images32",
    dataset="images32",
    model="polyrepro_resnet9",
    epochs=30,
    batch_size=512,
    images_per_device=512,
    learning_rate=0.4,
    momentum=0.9,
    weight_decay=5e-4,
    warmup_epochs=5,
    max_shift=4,
    horizontal_flip=True,
    cutout=8,
    image_size=32,
    evaluation_size=32,
    precision="bfloat16",
    channels_last=True,
)

RESNET9_QUARTER = ClassificationRecipe(
    name="resnet9_quarter_images32",
    dataset="images32",
    model="polyrepro_resnet9_quarter",
    epochs=6,
    batch_size=128,
    images_per_device=128,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    warmup_epochs=1,
    max_shift=2,
    horizontal_flip=True,
    image_size=32,
    evaluation_size=32,
    cpu_precision="bfloat16",
    channels_last=True,
)


def _derived(recipe: ClassificationRecipe) -> tuple[ClassificationRecipe, ...]:
    """The long tail, whose training split is a quarter as large, and three times the epochs."""
    name, tripled = recipe.name, 3 * recipe.epochs
    tail = {"name": f"{name}_long_tail", "dataset": "images32_long_tail", "epochs": tripled}
    return (
        recipe.model_copy(update=tail),
        recipe.model_copy(update={"name": f"{name}_long", "epochs": tripled}),
    )


IMAGES32_RECIPES = (RESNET9, *_derived(RESNET9), RESNET9_QUARTER, *_derived(RESNET9_QUARTER))
