"""A light U-Net that segments the foreground in range images of drawn LiDAR scenes.

Paper: RSN on the Waymo Open Dataset (Table 1). Its first stage segments the foreground of range
images with the focal loss, and later stages see the chosen points alone; there is no public
implementation. This is an analogue of the first stage, 73,000 parameters, on scenes that a program
draws: no number here can be compared with one of the paper.
Ours: focal loss with alpha 0.25 and gamma 2, as for the other detectors, as a mean over the pixels
with a return; AdamW and a cosine, random initial weights. The learning rate was chosen for the
focal loss, on scenes of another seed, which no result uses (scripts/tune_range_images.py).
"""

from polyrepro.recipes.segmentation import SegmentationRecipe

RANGE_UNET_LIDAR_SCENES = SegmentationRecipe(
    name="range_unet_lidar_scenes",
    dataset="lidar_scenes",
    model="light range U-Net",
    alpha=0.25,
    epochs=3,
    batch_size=4,
    learning_rate=3e-3,
    warmup_epochs=0.1,
    weight_decay=0.01,
)
