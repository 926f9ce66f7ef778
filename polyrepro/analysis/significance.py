"""How sure a verdict must be; also how sure an interval is, in numbers and in words."""

SIGNIFICANCE = 0.05
"""Probability of any false verdict in a report; also that of an interval to miss its value."""

CONFIDENCE = 1 - SIGNIFICANCE

CONFIDENCE_PERCENT = f"{100 * CONFIDENCE:g}"
"""What legends, captions and tables say of an interval, without the sign."""
