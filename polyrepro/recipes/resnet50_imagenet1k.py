"""ResNet-50 on ImageNet-1K: the paper's truncation, Poly-N and epsilon experiments.

Paper: Sections 3 and 4 study ResNet-50 on ImageNet; its settings are not known to us. Everything
below is the upstream default of the code base that the paper names (TensorFlow TPU models, ResNet):
batch 1024, 90 epochs, SGD with momentum 0.9, weight decay 1e-4 (not on normalisation), learning
rate 0.1 per 256 images, 5 epochs of warm-up, times 0.1 at epochs 30, 60 and 80, 224 pixels, no
label smoothing.
Ours: 10,000 training images are held out to choose coefficients on (see `polyrepro.data`); the
official validation images are the test split. Bilinear resizing, bfloat16.
Batch: 1024 images per step = 8 passes of 128; eight GPUs take one pass each, one GPU takes eight
and accumulates. Batch normalisation always sees 128 images. Learning rate 0.1 x 1024 / 256 = 0.4.
Expected: top-1 about 76.3 with cross-entropy (often quoted, unverified); seeds differ by 0.15 to
0.25 points.
Cost: about 26 hours of an RTX 3090 per run (estimated, see `polyrepro estimate`).
"""

from polyrepro.recipes.classification import ClassificationRecipe

RESNET50_IMAGENET1K = ClassificationRecipe(
    name="resnet50_imagenet1k",
    dataset="imagenet1k",
    model="resnet50",
    epochs=90,
    batch_size=1024,
    images_per_device=128,
    learning_rate=0.4,
    momentum=0.9,
    weight_decay=1e-4,
    schedule="step",
    milestones=(30, 60, 80),
    warmup_epochs=5,
    horizontal_flip=True,
    image_size=224,
    evaluation_size=224,
    crop_fraction=0.875,
    precision="bfloat16",
    channels_last=True,
    compile=True,
)
