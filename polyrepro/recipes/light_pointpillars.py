"""A light PointPillars for the CPU, on drawn LiDAR scenes.

Paper: PointPillars on the Waymo Open Dataset with the focal loss (alpha 0.25, gamma 2; upstream's
defaults). This is the same kind of detector in small, 94,000 parameters, on scenes that a program
draws; its body starts from weights trained with the plain focal loss on other scenes
(scripts/make_embedded_pointpillars_weights.py).
Ours: AdamW and a cosine; two short epochs. The learning rate was chosen for the focal loss, on
scenes of another seed, which no result uses (scripts/tune_pointpillars.py).
"""

from polyrepro.recipes.detection3d import Detection3DRecipe

POINTPILLARS_LIDAR_SCENES = Detection3DRecipe(
    name="pointpillars_lidar_scenes",
    dataset="lidar_scenes",
    model="light PointPillars",
    detector="pointpillars",
    epochs=2,
    batch_size=2,
    learning_rate=2e-3,
    warmup=0.05,
    weight_decay=0.01,
)
