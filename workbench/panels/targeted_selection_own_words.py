"""What the view of a person's own pictures says: what was read, how good the hits are, what was skipped."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from workbench.experiments.selection_folder import FolderPool, Found
from workbench.metrics.retrieval import average_precision

MOST_SKIPPED = 30
HELP = (
    "<p style='line-height:1.5'>Give a folder of pictures on the machine where the kernel runs, or upload some. Boxes in COCO, "
    "BDD100K, KITTI or VOC format are read where there are any; without, draw one. Nothing leaves this machine, and nothing in "
    "your folder is changed.</p>"
)


def read_words(pool: FolderPool) -> tuple[str, str]:
    """Return how reading a folder went, and the level at which to say it."""
    boxes = sum(len(entry.annotations) for entry in pool.entries)
    known = f" with {boxes:,} boxes ({pool.kind})" if boxes else ""
    lost = f", {len(pool.skipped):,} skipped" if pool.skipped else ""
    if rest := pool.total - len(pool.names) - len(pool.skipped):
        lost += f", {rest:,} not reached"
    return f"{len(pool.names):,} of {pool.total:,} pictures read{known}{lost}", "warning" if lost else "good"


def pool_html(pool: FolderPool, found: Found | None, relevant: dict[str, bool] | None, label: str, top: int) -> str:
    """Return what to do, what to take care of, how good the best ``top`` hits are where that is known, and what was skipped."""
    lines = [
        "Drag the box in the picture, draw another one, or move its edges. Every picture was scaled to fit "
        f"{pool.canvas_size[1]} x {pool.canvas_size[0]} pixels; their features take {pool.megabytes:,.0f} MB on the disk. A folder "
        "that did not change opens at once the next time."
    ]
    if found is not None:
        lines += [f"Take care: {html.escape(text)}." for text in found.warnings]
        if relevant is not None:
            lines.append(precision_words([relevant[one.image_id] for one in found.matches], label, top))
    return "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines) + _skipped_html(pool)


def precision_words(truth: Sequence[bool], label: str, top: int) -> str:
    """Return how many of the best ``top`` pictures show the class, by the boxes that the folder came with.

    >>> precision_words([True, False, True], "dog", 2)
    'By the folder’s own boxes 1 of the best 2 show “dog” (2 of 3 do): average precision 0.83, chance 0.67.'
    """
    label, top = html.escape(label), min(top, len(truth))
    if not any(truth):
        return f"No other picture shows “{label}”, by the folder’s own boxes."
    value = average_precision(-np.arange(len(truth)), truth)
    return (
        f"By the folder’s own boxes {sum(truth[:top])} of the best {top} show “{label}” ({sum(truth)} of {len(truth)} do): "
        f"average precision {value:.2f}, chance {np.mean(truth):.2f}."
    )


def _skipped_html(pool: FolderPool) -> str:
    if not pool.skipped:
        return ""
    rows = "".join(f"<li>{html.escape(one.id)}: {html.escape(one.reason)}</li>" for one in pool.skipped[:MOST_SKIPPED])
    more = len(pool.skipped) - MOST_SKIPPED
    rows += f"<li>and {more:,} more</li>" if more > 0 else ""
    return f"<details><summary>{len(pool.skipped):,} pictures were skipped</summary><ul>{rows}</ul></details>"


def tail(name: str, most: int) -> str:
    """Return a name, or its end where it is long.

    >>> tail("drives/2031/front/000012.png", 12)
    '…/000012.png'
    """
    return name if len(name) <= most else "…" + name[-(most - 1) :]
