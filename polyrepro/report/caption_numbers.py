"""The numbers in captions, each from the code that it describes. Light: the workflow imports it."""

from polyrepro.analysis.significance import CONFIDENCE_PERCENT
from polyrepro.analysis.steps_to_accuracy import LEVELS
from polyrepro.atlas import shown as atlas
from polyrepro.figures import shown


def caption_numbers() -> dict[str, str]:
    """Name to number, as `workflow/report` refers to it."""
    # Not at the top: the files belong to the training, which captions do not depend on.
    from polyrepro.classification.calibration_bins import ECE_BINS
    from polyrepro.segmentation.metrics import RECALL
    from polyrepro.studies.poly_n import BEST

    low, high = atlas.OTHER_TARGETS
    return {
        "confidence": CONFIDENCE_PERCENT,
        "ece_bins": str(ECE_BINS),
        "levels": " and ".join(f"{level} %" for level in LEVELS),
        "recall": f"{100 * RECALL:g}",
        "orders": ", ".join(str(order) for order in range(1, len(BEST) + 1)),
        "least_score": f"{shown.LEAST_SCORE:g}",
        "least_objects": str(shown.LEAST_OBJECTS),
        "match": f"{shown.MATCH:g}",
        "least_objects_3d": str(shown.LEAST_OBJECTS_3D),
        "match_car": f"{shown.MATCH_3D['Car']:g}",
        "match_pedestrian": f"{shown.MATCH_3D['Pedestrian']:g}",
        "atlas_impulses": f"{100 * atlas.IMPULSE_RATE:g}",
        "atlas_deltas": ", ".join(f"{delta:g}" for delta in atlas.DELTAS),
        "atlas_band": f"{100 * atlas.BAND:g}",
        "atlas_band_draws": str(len(atlas.BAND_SEEDS)),
        "atlas_residuals": str(len(atlas.RESIDUALS)),
        "atlas_outlier": f"{atlas.OUTLIER:g}",
        "atlas_usual_share": f"{100 * atlas.USUAL_SHARE:g}",
        "atlas_usual": f"{atlas.USUAL_TARGET:g}",
        "atlas_others": f"{low:g} and {high:g}",
        "atlas_step": f"{atlas.STEP:g}",
        "atlas_labels": f"{atlas.LABELS:,}",
        "atlas_points": str(atlas.FAR_SAMPLES + 1),
        "atlas_point_draws": str(len(atlas.FAR_SEEDS)),
        "atlas_dimensions": str(atlas.DIMENSIONS),
    }
