"""How each file of data/ is made from its source: bytes in, bytes out, the same bytes each time."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pandas as pd

from workbench.datasets._published_curves import transcribed_curves

_LCDB_FOLDER = "lcdb-0.1.0"


def learning_curves_csv() -> bytes:
    """Return ``learning_curves_mahmood2022.csv``: task, n, score, source."""
    return transcribed_curves().to_csv(index=False, lineterminator="\n").encode()


def lcdb_extract_csv(sdist: Path) -> bytes:
    """Return the uncompressed ``lcdb_extract.csv`` from LCDB's source archive: test accuracy in percent, averaged over splits."""
    with tarfile.open(sdist) as archive:
        scores = pd.read_csv(
            archive.extractfile(f"{_LCDB_FOLDER}/lcdb/database-accuracy.csv"),
            usecols=["openmlid", "learner", "size_train", "score_test"],
        )
        names = pd.read_csv(archive.extractfile(f"{_LCDB_FOLDER}/lcdb/datasets.csv"), usecols=["openmlid", "Name"])
    scores["score_test"] *= 100
    scores["learner"] = scores["learner"].str.split(".").str[-1]
    splits = scores.groupby(["openmlid", "learner", "size_train"])["score_test"]
    extract = (
        splits.agg(score_mean="mean", score_std="std", splits="size").reset_index().rename(columns={"size_train": "n"})
    )
    name = extract["openmlid"].map(names.set_index("openmlid")["Name"])
    extract.insert(1, "dataset", name.fillna("openml-" + extract["openmlid"].astype(str)))
    return extract.to_csv(index=False, float_format="%.2f", lineterminator="\n").encode()


def gzipped(content: bytes) -> bytes:
    """Return ``content`` as gzip without a date, so that equal content gives equal bytes."""
    return gzip.compress(content, compresslevel=9, mtime=0)
