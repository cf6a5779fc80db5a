"""The table of claims about targeted selection: what the abstract says, and the numbers measured here.

The paper's own tables are on a pool that is not public, so none of its numbers stand here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.experiments.claim_values import Judge, Measured, judged
from workbench.experiments.results import load_results

MATCHING, GEM, RANDOM = (f"method, Lite0, {name}" for name in ("DTM, stride 8+16", "GeM, stride 16", "random"))
CLEARLY = 2.5
"""How many times chance, or GeM, counts as clearly better."""


def claims(results: pd.DataFrame) -> pd.DataFrame:
    """Return the claims of the abstract beside the measured numbers.

    C6 is judged by the stored table ``targeted_selection_scale``, and real pictures by ``targeted_selection_real``, where they
    are there.

    Args:
        results: what :func:`workbench.experiments.targeted_selection.run` returned, or the stored table.

    Returns:
        Columns ``claim``, ``statement``, ``paper``, ``measured``, ``holds`` (yes, partly or no, by the numbers; or not measured).
    """
    return judged(CLAIMS, results, "mAP")


def _objects(value: Measured) -> tuple[str, str]:
    same, other = (f"style, {style}, {{}}" for style in ("same style", "other styles"))
    ours = "DTM, stride 8+16"
    classes = {name.rsplit(", ", 1)[1]: value(name) for name in value.settings(f"{MATCHING}, ")}
    worst, best = min(classes, key=classes.get), max(classes, key=classes.get)
    lifts = [
        value(MATCHING) / value(MATCHING, "chance"),
        value(other.format(ours)) / value(other.format(ours), "chance"),
        classes[worst] / value(f"{RANDOM}, {worst}"),
    ]
    text = (
        f"mAP {value.text(MATCHING)} over pools, at a share of positives of {value(MATCHING, 'chance'):.2f}; "
        f"{100 * value(MATCHING, 'precision@10'):.0f} % of the first ten are right. Objects drawn in the query's style "
        f"{value(same.format(ours)):.2f} (share {value(same.format(ours), 'chance'):.2f}), in another style "
        f"{value(other.format(ours)):.2f} (share {value(other.format(ours), 'chance'):.2f}). From {classes[worst]:.2f} "
        f"({worst.replace('_', ' ')}) to {classes[best]:.2f} ({best.replace('_', ' ')})"
    )
    return text, "yes" if min(lifts) >= CLEARLY else "partly" if lifts[0] >= CLEARLY else "no"


def _small(value: Measured) -> tuple[str, str]:
    strata = {
        "nearly all shows": "occlusion, 0.9 to 1 visible, 1",
        "half to nine tenths show": "occlusion, 0.5 to 0.9 visible, 0.9",
        "less than half shows": "occlusion, 0 to 0.5 visible, 0.5",
        "fewest objects around": "clutter, fewest objects, 1",
        "most objects around": "clutter, most objects, 3",
    }
    found = {name: value(f"{start}, DTM, stride 8+16", "recall@40") for name, start in strata.items()}
    chance = {name: value(f"{start}, random", "recall@40") for name, start in strata.items()}
    listed = ", ".join(f"{name} {found[name]:.2f} ({chance[name]:.2f})" for name in strata)
    text = (
        f"Objects of 0.4 to 1 % of the picture: {value(MATCHING, 'recall@40'):.2f} of the positives are among the first 40 of 300 "
        f"(at random {value(RANDOM, 'recall@40'):.2f}). By part of the pool: {listed}. Objects of 0.3 %: mAP "
        f"{value('size, 0.3, DTM, stride rule'):.2f}"
    )
    clear = [found[name] >= CLEARLY * chance[name] for name in list(strata)[:3]]
    return text, "yes" if all(clear) else "partly" if clear[0] else "no"


def _template(value: Measured) -> tuple[str, str]:
    blind = value("backbone, Lite0, random weights, DTM, stride 8")
    colours = value("backbone, HOG and colour, DTM, stride 8")
    trained = value("method, Lite0, DTM, stride 8")
    text = (
        f"One box, nothing trained: stride 8 mAP {trained:.2f} with ImageNet weights, {colours:.2f} with gradients and colours "
        f"instead of a network, {blind:.2f} with random weights. Grown by 8 and 16 pixels the box gives "
        f"{value('padding, 8, DTM, stride 8+16'):.2f} and {value('padding, 16, DTM, stride 8+16'):.2f} instead of "
        f"{value('padding, 0, DTM, stride 8+16'):.2f}: what surrounds the object misleads"
    )
    return text, "yes" if trained >= CLEARLY * value(MATCHING, "chance") and trained > max(blind, colours) else "no"


def _fast(value: Measured) -> tuple[str, str]:
    seeing = value("features of a scene, drawn", "time")
    times = {stride: value(f"match of one query with one scene, stride {stride}", "time") for stride in (8, 16)}
    exact = value(MATCHING)
    kept = {jitter: value(f"jitter, {jitter}, DTM, stride 8+16") / exact for jitter in (2, 4, 8)}
    careless = ", ".join(f"{one} pixels keeps {100 * share:.0f} %" for one, share in kept.items())
    text = (
        f"{times[8]:.0f} microseconds a scene and query at stride 8, {times[16]:.0f} at 16, against {seeing:.0f} ms to draw and "
        f"see a scene. A box whose edges are off by up to {careless} of the mAP"
    )
    fast = times[8] < 0.01 * 1e3 * seeing
    return text, "yes" if fast and kept[4] >= 0.8 else "partly" if fast or kept[4] >= 0.8 else "no"


def _better(value: Measured) -> tuple[str, str]:
    sizes = [name.split(", ")[1] for name in value.settings("size, ", "ratio of mAP") if name.endswith("over best GeM")]
    sizes = sorted(sizes, key=float)
    ratio = {size: value(f"size, {size}, DTM over best GeM", "ratio of mAP") for size in sizes}
    small = [size for size in sizes if float(size) < 1]
    if not small:
        raise KeyError("no object below 1 % of the picture")
    least = min(value(f"size, {size}, DTM over best GeM", "least ratio of mAP") for size in small)
    crossing = value("size, DTM against best GeM", "crossing")
    where = "nowhere up to there" if np.isnan(crossing) else f"at {crossing:.1f} %"
    listed = ", ".join(f"{float(size):.2g} % {ratio[size]:.1f}" for size in sizes)
    text = (
        f"mAP {value(MATCHING):.2f} against GeM {value(GEM):.2f}, R-MAC {value('method, Lite0, R-MAC, stride 16'):.2f}, GeM of the "
        f"object {value('method, Lite0, crop-GeM, stride 16'):.2f}, random {value(RANDOM):.2f}. Times the best layer of GeM, by "
        f"the object's area: {listed}; they cross {where}"
    )
    real = _real_pictures()
    return text + real, "yes" if least >= CLEARLY else "partly" if least > 1 else "no"


def _real_pictures() -> str:
    try:
        table = load_results("targeted_selection_real")
    except FileNotFoundError:
        return ""
    table = table.assign(chance=table["positives"] / table["scenes"])
    parts = []
    for name, group in table[table["method"].isin(["DTM", "GeM"])].groupby("dataset", sort=False):
        best = group.groupby(["method", "backbone", "stride"], dropna=False)["ap"].mean().groupby("method").max()
        parts.append(f"{name} {best['DTM']:.2f} against {best['GeM']:.2f} (share {group['chance'].mean():.2f})")
    return f". On real pictures, best layers: {'; '.join(parts)}"


def _scale(value: Measured) -> tuple[str, str]:
    table = load_results("targeted_selection_scale").set_index("measure")
    mining, memory = table.loc[["mining"]], table.loc[["memory while mining"]]
    fastest = mining.loc[mining["value"].idxmax()] if mining.index.is_unique else mining.sort_values("value").iloc[-1]
    growth = memory["value"].max() / memory["value"].min()
    hours = 2.2e6 / float(fastest["value"]) / 3600
    text = (
        f"{fastest['value']:,.0f} pictures a second at best ({fastest['setting']}, {fastest['processes']:.0f} processes, measured "
        f"on up to {mining['x'].max():,.0f} pictures): {hours:.1f} hours for 2.2 million on this machine. Peak memory between the "
        f"smallest and the largest store differs by a factor of {growth:.2f}"
    )
    return text, "yes" if growth < 1.5 and hours < 24 else "partly"


def _together(value: Measured) -> tuple[str, str]:
    names = ("DTM, min", "DTM, mean", "DTM, only first", "DTM, only second")
    found = {name: float(np.mean(_by_pair(value, name))) for name in names}
    lower = [
        both > max(first, second)
        for both, first, second in zip(*(_by_pair(value, name) for name in (names[0], names[2], names[3])), strict=True)
    ]
    gem, chance = (float(np.mean(_by_pair(value, name))) for name in ("GeM, min", "random"))
    text = (
        f"Both of two classes, {len(lower)} pairs: mAP {found['DTM, min']:.2f} by the smaller of two z-scores, "
        f"{found['DTM, mean']:.2f} by their mean; by one object alone {found['DTM, only first']:.2f} and "
        f"{found['DTM, only second']:.2f}; GeM {gem:.2f}, random {chance:.2f}. The smaller beats either object alone in "
        f"{sum(lower)} pairs"
    )
    best = max(found["DTM, min"], found["DTM, mean"])
    single = max(found["DTM, only first"], found["DTM, only second"])
    return text, "yes" if best > 1.25 * single else "partly" if best > single else "no"


def _by_pair(value: Measured, method: str) -> list[float]:
    suffix = f", {method}"
    settings = [
        name
        for name in value.settings("co-occurrence, ")
        if name.endswith((suffix, f"{suffix}, stride 8+16", f"{suffix}, stride 16"))
    ]
    if not settings:
        raise KeyError(method)
    return [value(name) for name in settings]


def _loop(value: Measured) -> tuple[str, str]:
    settings = value.settings("loop, DTM, ", "detection AP")
    bought = sorted({int(name.split(", ")[2].split(" ")[0]) for name in settings})
    last, first = bought[-1], bought[1]
    at = "loop, {}, {} bought"
    listed = ", ".join(
        f"{name} {value(at.format(name, last), 'detection AP'):.2f} ({value(at.format(name, first), 'positives bought'):.1f})"
        for name in ("random", "GeM", "DTM", "DTM + diversity", "oracle")
    )
    gains = {
        rival: (
            value(at.format("DTM", last), f"gain over {rival}"),
            value.spread(at.format("DTM", last), f"gain over {rival}"),
        )
        for rival in ("random", "GeM")
    }
    compared = " and ".join(f"{gain:+.2f} ± {error:.2f} to {rival}" for rival, (gain, error) in gains.items())
    text = (
        f"Detection AP from {value(at.format('DTM', 0), 'detection AP'):.2f} before to, after {last} labels: {listed}; in brackets "
        f"the positives among the first {first}. DTM's difference: {compared} (standard errors over classes and seeds)"
    )
    clear = [0 < 2 * error < gain for gain, error in gains.values()]
    frames = f"frames, {{}}, {first} bought"
    if value.settings("frames, ", "detection AP"):
        text += (
            f". In a pool of five frames of each street those {first} show the object in "
            f"{value(frames.format('DTM'), 'sequences bought'):.1f} streets by DTM, "
            f"{value(frames.format('DTM + diversity'), 'sequences bought'):.1f} with diversity"
        )
    return text, "yes" if all(clear) else "partly" if any(clear) else "no"


CLAIMS: dict[str, tuple[str, str, Judge]] = {
    "C1": (
        "Scenes that show an object of the query's class come first",
        "Retrieves images that contain objects semantically similar to the object of interest",
        _objects,
    ),
    "C2": (
        "Of small, occluded objects among others most are found",
        "Objects of interest are small, occluded and in cluttered scenes; recall stays high",
        _small,
    ),
    "C3": (
        "One box in one picture and a network that is not trained any further are enough",
        "The region around the object is projected to a network's feature space and used as a template; no further labels",
        _template,
    ),
    "C4": (
        "Matching costs little beside seeing the pictures, and bears a careless box",
        "Template matching is fast and robust",
        _fast,
    ),
    "C5": (
        f"At least {CLEARLY} times the mAP of whole-picture retrieval where objects are below 1 % of the picture",
        "Better than a well-known method of semantic image retrieval that needs no labels either",
        _better,
    ),
    "C6": (
        "Pools of millions are mined in hours, in memory that does not grow",
        "Works at the scale of millions of images",
        _scale,
    ),
    "C7": (
        "Two different objects that must be there together are found better than by one of them",
        "Takes one or several semantically different objects that must occur together",
        _together,
    ),
    "C8": (
        "Labels chosen by a detector's own failures improve it more than as many at random or by whole pictures",
        "Objects of interest come from failures of detectors; the selected data counter class imbalance",
        _loop,
    ),
}
"""What we test, and what the abstract says, by claim."""
