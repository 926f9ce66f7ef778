"""Where a training lives: a folder that no Snakemake rule declares.

Snakemake deletes the declared outputs of failed and re-run jobs; what cost GPU-hours must not be
among them. Each training has a folder of its own, `runs/<recipe>/<variant>/seed<N>.<key>`, where
the key comes from the identity of the run and the checksums of its data. `seed<N>` is a link to the
one that was requested last, so that a trial with other settings never overwrites a result.
"""

import hashlib
import json
from pathlib import Path

from polyrepro.files import run_link
from polyrepro.runs import Run

KEY_DIGITS = 12


def data_checksums(citation: dict) -> dict[str, str]:
    """What of a data set's citation must be the same for a record to be used again.

    Large data sets have one checksum, of the index of all their images, and one of the cache if
    they are read from it; small ones have one per split.
    """
    if "index_sha256" in citation:
        cached = {"cache": citation["cache"]["tables_sha256"]} if "cache" in citation else {}
        return {"index": citation["index_sha256"]} | cached
    return {
        f"{split}.{key}": value
        for split, entry in citation["splits"].items()
        for key, value in entry.items()
        if key.endswith("sha256")
    }


def checkpoint_identity(run: Run, citation: dict) -> str:
    """Hash of the run and of its data: checkpoints and records belong to both."""
    parts = [run.identity(), citation["dataset"], data_checksums(citation)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_folder(results: Path, run: Run, citation: dict) -> Path:
    """The folder of this training: the link's name with a key after it."""
    link = run_link(results, run.id)
    return link.with_name(f"{link.name}.{checkpoint_identity(run, citation)[:KEY_DIGITS]}")
