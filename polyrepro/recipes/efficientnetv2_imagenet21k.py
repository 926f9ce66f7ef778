"""EfficientNetV2-S, -M and -L pre-trained on ImageNet-21K.

Paper: Table 1, ImageNet-21K, EfficientNetV2-L: 45.8 with cross-entropy, 46.4 with Poly-1
(verified), e1 = 2 (secondary). The settings of the paper's own runs are not known to us; below are
the defaults of the EfficientNetV2 code (google/automl, datasets.py, `ImageNet21k`; hparams.py):
batch 4096, 60 epochs, cosine after 1 epoch of warm-up, learning rate 0.008 per 256 images, RMSProp
(decay and momentum 0.9, epsilon 0.001), moving average 0.9999, weight decay 1e-5 (not on biases and
normalisation), 224 pixels, no mixup, no dropout, no augmentation beyond crop and flip, labels of
several classes normalised to sum 1.
Ours: images of the winter 2021 release, one class each unless a file of labels is given;
about 100,000 images held out at random as the test split, as EfficientNetV2's authors did (25,000
more choose hyper-parameters there and here); batch normalisation over the images of one device.
Batch: 4096 images per step = 32 passes of 128 (M: 64 of 64, L: 128 of 32), so eight GPUs accumulate
four (eight, sixteen) each. Learning rate 0.008 x 4096 / 256 = 0.128.
Expected: top-1 of L 45.8 with cross-entropy (verified); of S and M unknown.
Cost: about 250 (S), 430 (M) and 760 (L) hours of an RTX 3090 per run (estimated, see
`polyrepro estimate`).
"""

from polyrepro.recipes.classification import ClassificationRecipe


def _recipe(size: str, images_per_device: int) -> ClassificationRecipe:
    return ClassificationRecipe(
        name=f"efficientnetv2_{size}_imagenet21k",
        dataset="imagenet21k",
        model=f"tf_efficientnetv2_{size}",
        epochs=60,
        batch_size=4096,
        images_per_device=images_per_device,
        learning_rate=0.128,
        optimizer="rmsproptf",
        optimizer_epsilon=1e-3,
        momentum=0.9,
        weight_decay=1e-5,
        warmup_epochs=1,
        ema_decay=0.9999,
        horizontal_flip=True,
        image_size=224,
        evaluation_size=224,
        crop_fraction=0.875,
        interpolation="bicubic",
        precision="bfloat16",
        channels_last=True,
        compile=True,
    )


EFFICIENTNETV2_IMAGENET21K = (_recipe("s", 128), _recipe("m", 64), _recipe("l", 32))
"""S, M and L."""
