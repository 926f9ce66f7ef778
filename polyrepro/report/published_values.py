"""The published numbers, pair by pair, and what readers should know about them."""

from polyrepro.analysis.published import published_facts, published_numbers
from polyrepro.report.labels import number, signed
from polyrepro.variants import coefficient


def published_rows() -> list[dict]:
    """Baseline and Poly-1 of each published pair side by side, with the status of the numbers."""
    numbers = published_numbers().fillna({"note": "", "epsilon_status": ""})
    rows = []
    for _, pair in numbers.groupby(["dataset", "model", "metric"], sort=False):
        baseline = pair.iloc[0]
        for _, improved in pair.iloc[1:].iterrows():
            known = improved["epsilon_status"] != "unknown"
            rows.append(
                {
                    "dataset": baseline["dataset"],
                    "model": baseline["model"],
                    "metric": baseline["metric"],
                    "baseline_loss": baseline["loss"],
                    "baseline": number(baseline["value"], 1),
                    "loss": improved["loss"],
                    "epsilon": coefficient(improved["epsilon"]) if known else "unknown",
                    "value": number(improved["value"], 1),
                    "gain": signed(improved["value"] - baseline["value"], 1),
                    "status": improved["status"],
                }
            )
    return rows


def verified_counts() -> dict[str, int]:
    """How many verified pairs there are, the rows of the paper's Table 1, and how many on LiDAR."""
    numbers = published_numbers()
    verified = numbers[numbers["status"] == "verified"]
    pairs = verified.drop_duplicates(["dataset", "model", "metric"])
    return {"all": len(pairs), "lidar": int((pairs["task"] == "3D detection").sum())}


def misattributions() -> list[dict]:
    """Numbers that summaries of the paper attribute to the wrong data."""
    facts = published_facts()
    rows = facts[facts.index.str.startswith("misattributed")]
    return [{"quantity": r.quantity, "value": r.value, "note": r.note} for r in rows.itertuples()]


def gains_and_noise() -> dict[str, str]:
    """The published gains in accuracy beside the noise of public trainings, in points."""
    numbers = published_numbers()
    verified = numbers[(numbers["status"] == "verified") & (numbers["task"] == "classification")]
    pairs = verified.groupby("dataset")["value"]
    gains = sorted((pairs.max() - pairs.min()).round(1).unique())
    return {
        "gains": " and ".join(number(gain, 1) for gain in gains),
        "noise": published_facts().loc["noise_imagenet", "value"],
    }
