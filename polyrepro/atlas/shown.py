"""What the figures of the survey show: their code and the captions both read it here."""

IMPULSE_RATE = 0.1
"""Of the samples that boosted trees learn from, those with an impulse."""

DELTAS = (4.0, 2.0, 1.0)
"""Of Huber's loss, where trees are boosted with it."""

BAND = 0.9
"""Probability of the bands of prediction."""
BAND_SEEDS = range(10)

RESIDUALS = (0.0, 1.0, -2.0, -0.5, 1.5)
OUTLIER = 15.0
USUAL_SHARE, USUAL_TARGET, OTHER_TARGETS = 0.9, 150.0, (0.0, 30.0)
"""Nine of ten targets are the same; the others lie between two values."""
STEP = 0.3
"""Of gradient descent."""

LABELS = 20_000
"""Drawn for each probability."""

FAR_SAMPLES, FAR_SEEDS = 100, range(20)
"""Points of linear models beside the one that lies far outside, and draws."""

DIMENSIONS = 8
"""Of the projected images."""
