"""Detection in point clouds, with MMDetection3D."""
