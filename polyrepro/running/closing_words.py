"""What Snakemake ends with, whether it succeeded or failed."""

import shlex
import time
from pathlib import Path

from polyrepro.plan import Plan
from polyrepro.running.status import SHOWN, StatusReader
from polyrepro.running.step_failures import step_failures


def closing_words(plan: Plan, failed: bool) -> str:
    """What Snakemake ends with: where the report is, what failed, and how to look closer."""
    results = Path(plan.settings.results)
    report, words = results / "report.pdf", []
    if failed:
        runs = StatusReader(plan).read().values()
        chosen = [status for status in runs if status.state == "failed"]
        for status in chosen[:SHOWN]:
            log = status.details["log"]
            where = f" (log: {log})" if log else ""
            words.append(f"failed: {status.run.id}: {status.details['message']}{where}")
        if len(chosen) > SHOWN:
            words.append(f"failed: {len(chosen) - SHOWN} more")
        for failure in step_failures(results)[:SHOWN]:
            words.append(f"failed: {failure.step}: {failure.message} (log: {failure.log})")
        states = [status.state for status in runs]
        finished = states.count("finished")
        if not plan.settings.finished_only:
            words.append("A report of what has finished: the same with --config finished_only=true")
        words.append(f"{finished} of {len(runs)} runs have finished and are not trained again.")
        if "waiting" in states:
            words.append("What needs no failed run goes on with: the same and --keep-going")
    if report.exists():
        age = "from before this failure, " if failed else ""
        words.append(f"The report is {report} ({age}{_written(report)}), for a browser report.html")
        words.append(f"beside it; in short: {results / 'summary.md'}")
    else:
        words.append(f"There is no report in {results} yet.")
    settings = shlex.quote(str(results / "settings.json"))
    words.append(f"Runs and failures on one screen: polyrepro status --configfile {settings}")
    return "\n".join(words)


def _written(path: Path) -> str:
    return time.strftime("of %Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
