"""Segmentation of the foreground in range images. Needs torch and timm, not MMDetection."""
