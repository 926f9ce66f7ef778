"""ResNet-50 on ImageNet-1K and its long tail at a price that a laboratory can pay.

Paper: the experiments of `resnet50_imagenet1k`, and ImageNet-21K's imbalance in small.
Source: the ResNet-50 of ffcv-imagenet (libffcv/ffcv-imagenet, rn50_configs/rn50_16_epochs.yaml and
train_imagenet.py; 73.8 % top-1 in 16 epochs and 15 minutes of eight A100, 75.6 % in 24 epochs and
22 minutes, the mean over an image and its mirror image).
Taken from it: SGD with momentum 0.9; weight decay 1e-4, not on normalisation; the learning rate
rises for 2 epochs and falls linearly to 0, the peak 1.7 per 4096 images (512 on each of eight GPUs)
by the linear rule: 0.425; random crops of 8 to 100 % of the area; 192 pixels in the last quarter
of the epochs, and larger images in evaluation than in training (Touvron et al., NeurIPS 2019).
Not taken: label smoothing 0.1, which would change the loss under study (0 here); blur-pooling,
which would change the network; the mean with the mirror image; 160 pixels in three quarters of the
epochs, instead of which 128 pixels come first, then 160, and 18 epochs for the same arithmetic as
theirs in 16; batches of 512 per GPU, of which batch normalisation would see all; evaluation at
256 pixels (their text says 224), which a cache with shorter sides of 256 would have to enlarge.
Not tuned: the learning rate is theirs, found with label smoothing; the study `poly1_lr` trains
cross-entropy at half to 2.83 times of it.
Batch: 1024 images = 8 passes of 128, as in `resnet50_imagenet1k`.
Expected: 73 to 74 % top-1 with cross-entropy; not measured by this project.

The long tail has the settings of Kang et al. (ICLR 2020; facebookresearch/classifier-balancing,
feat_uniform.yaml): 90 epochs, batch 512, learning rate 0.2, weight decay 5e-4, a cosine; that file
is for a ResNeXt-50 at 224 pixels, for which 44.4 % are published. Ours: 5 epochs of warm-up, images
that grow as above. Expected of a ResNet-50: unknown.
Cost: about 1.9 and 0.9 hours of an A100 per run (estimated, see `polyrepro estimate`).
"""

from polyrepro.recipes.resnet50_imagenet1k import RESNET50_IMAGENET1K

RESNET50_SHORT = RESNET50_IMAGENET1K.model_copy(
    update={
        "name": "resnet50_short",
        "epochs": 18,
        "learning_rate": 0.425,
        "schedule": "linear",
        "milestones": (),
        "warmup_epochs": 2,
        "image_size": 192,
        "growth": ((0.375, 128), (0.75, 160)),
    }
)
"""7 epochs of 128 pixels, 7 of 160, 4 of 192."""

RESNET50_SHORT_LONG_TAIL = RESNET50_SHORT.model_copy(
    update={
        "name": "resnet50_short_long_tail",
        "dataset": "imagenet1k_long_tail",
        "epochs": 90,
        "batch_size": 512,
        "learning_rate": 0.2,
        "weight_decay": 5e-4,
        "schedule": "cosine",
        "warmup_epochs": 5,
    }
)
"""115,846 images, so more epochs of them."""

RESNET50_SHORT_RECIPES = (RESNET50_SHORT, RESNET50_SHORT_LONG_TAIL)
