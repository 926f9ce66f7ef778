"""PointPillars on KITTI's three classes, as MMDetection3D ships it, for one GPU.

Paper: nothing on KITTI, which is the smallest of the public data sets for PointPillars.
Ours: MMDetection3D's configuration for pedestrians, cyclists and cars: 160 epochs (there 80 of a
data set repeated twice), AdamW, a rate that rises as a cosine over two fifths of the training to
ten times its first value and then falls. There eight GPUs train six frames each with a highest rate
of 0.01; here one GPU trains six, so that batch normalisation sees as many, with an eighth of the
rate (the linear rule, by the configuration's own `auto_scale_lr`).
Departures besides: the objects that are pasted into a frame are drawn for each frame alone, so that
a run can be resumed to the same bits (`polyrepro.detection.lidar.random_samples`); they are moved
to the ground only where the data have ground planes, which KITTI does not distribute; frames
without boxes are trained on; a tenth of the training frames is held out for validation, and `val`
is the test split.
Expected: MMDetection3D states an AP of 64.07 for its model (configs/pointpillars/metafile.yml of
version 1.4.0) without saying which AP. By its size (inferred) it is the mean over the classes at
the level moderate over eleven recalls, our `ap11_moderate`. It was trained on all frames and by
eight GPUs, so it is no target of ours: only differences to the focal loss are compared.
Cost: about 11 V100-hours a run, by MMDetection3D's own speed. Never run by us.
"""

from polyrepro.recipes.detection3d import Detection3DRecipe

POINTPILLARS_KITTI = Detection3DRecipe(
    name="pointpillars_kitti",
    dataset="kitti",
    model="PointPillars SECFPN (KITTI)",
    detector="pointpillars",
    config="mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py",
    epochs=160,
    batch_size=6,
    learning_rate=0.01 / 8,
)
