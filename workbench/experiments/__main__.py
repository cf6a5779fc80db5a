"""``python -m workbench.experiments [name ...]``: measure the results tables of ``data/results/`` anew."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import pandas as pd
from tqdm import tqdm

from workbench.datasets.extras import NotInstalledError
from workbench.experiments import (
    fair_encoding,
    fair_encoding_bias,
    fair_encoding_measure,
    fair_encoding_scores,
    free_masks_comparison,
    free_masks_embeddings,
    free_masks_features,
    free_masks_real,
    how_much_data,
    latency_pruning,
    latency_pruning_ablations,
    latency_pruning_detector,
    latency_pruning_pair,
    latency_pruning_platforms,
    latency_pruning_table,
    latency_pruning_titan_v,
    learning_curves,
    optimal_collection,
    robust_transformers,
    robust_transformers_lab,
    robust_transformers_measure,
    scale_measurement,
    selection_pairs,
    targeted_selection,
    targeted_selection_real,
    two_sources,
)
from workbench.experiments.frozen_features import FeatureConfig
from workbench.experiments.results import load_results, save_results
from workbench.training.progress import Progress, tqdm_progress


def _learning_curves(progress: Progress) -> tuple[pd.DataFrame, object]:
    configs = learning_curves.STORED_CURVES
    return pd.concat([learning_curves.measure_learning_curves(config, progress) for config in configs]), list(configs)


def _cifar10_curves(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = learning_curves.CIFAR10_CURVES
    return learning_curves.measure_learning_curves(config, progress), [config, FeatureConfig()]


def _two_sources(progress: Progress) -> tuple[pd.DataFrame, object]:
    frames, configs = [], []
    for config in (*two_sources.STORED_GRIDS, two_sources.UNBALANCED):
        try:
            frames.append(two_sources.measure_two_sources(config, progress))
            configs.append(asdict(config))
        except NotInstalledError as missing:
            tqdm.write(f"skipped {config.dataset}, whose stored rows are kept: {missing}")
            with contextlib.suppress(FileNotFoundError):
                stored = load_results("two_sources")
                frames.append(stored[stored["task"] == config.dataset])
                configs += [old for old in stored.attrs["record"]["config"] if old["dataset"] == config.dataset]
    return pd.concat(frames), configs


def _how_much_data(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = how_much_data.HowMuchDataConfig()
    return how_much_data.run(config, progress), config


def _correction(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = how_much_data.HowMuchDataConfig()
    progress(0, 1, "tau of every task on every other")
    return how_much_data.correction_matrix(config), config


def _campaigns(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = optimal_collection.FULL
    return optimal_collection.play_table_1(config, progress), config


def _optimal_collection(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = optimal_collection.FULL
    games = load_results("optimal_collection_sweep")
    return optimal_collection.run(config, progress, games=games), config


def _selection_rankings(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = targeted_selection.FULL
    return targeted_selection.measure_rankings(config, progress), config


def _selection_loop(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = targeted_selection.FULL.loop
    return targeted_selection.measure_loop(config, progress), config


def _selection_frames(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = targeted_selection.FULL.frames
    return targeted_selection.measure_loop(config, progress), config


def _targeted_selection(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = targeted_selection.FULL
    stored = {name: load_results(f"targeted_selection_{name}") for name in ("rankings", "loop", "frames")}
    return targeted_selection.run(config, progress, **stored), config


def _selection_scale(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = scale_measurement.FULL
    return scale_measurement.run(config, progress), config


def _selection_pairs(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = selection_pairs.PairsConfig()
    return selection_pairs.measure_pairs(config, progress), config


def _selection_real(progress: Progress) -> tuple[pd.DataFrame, object]:
    config, frames = targeted_selection_real.RealConfig(), []
    for dataset, backbone in config.parts:
        try:
            frames.append(targeted_selection_real.measure_part(config, dataset, backbone, progress))
        except NotInstalledError as missing:
            tqdm.write(f"skipped {dataset} by {backbone}, whose stored rows are kept: {missing}")
            with contextlib.suppress(FileNotFoundError):
                stored = load_results("targeted_selection_real")
                frames.append(stored[(stored["dataset"] == dataset) & (stored["backbone"] == backbone)])
    return pd.concat(frames, ignore_index=True), config


def _fair_encoding_sweep(progress: Progress) -> tuple[pd.DataFrame, object]:
    """Measure the sweep; the rates of the groups come from the same fits, and are written beside it."""
    config = fair_encoding.FULL
    sweep, groups = fair_encoding_measure.measure(config, progress)
    save_results("fair_encoding_groups", groups, config)
    return sweep, config


def _fair_encoding_relabel(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = fair_encoding.FULL
    return fair_encoding_bias.measure_relabel(config, progress), config


def _fair_encoding_scores(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = fair_encoding.FULL
    return fair_encoding_scores.measure_scores(config, progress), config


def _fair_encoding(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = fair_encoding.FULL
    stored = {"sweep": load_results("fair_encoding_sweep"), "relabelled": load_results("fair_encoding_relabel")}
    return fair_encoding.run(config, progress, **stored), config


def _robust_errors(progress: Progress) -> tuple[pd.DataFrame, object]:
    """Train and measure the networks; grouping, gates and the weights that ship are theirs, and are written beside the errors."""
    config = robust_transformers.FULL
    measured = robust_transformers_measure.measure(config, progress)
    for name in robust_transformers_lab.SHIPPED:
        robust_transformers_lab.ship_network(name)
    for name in ("grouping", "gates"):
        save_results(f"robust_transformers_{name}", measured[name], config)
    return measured["errors"], config


def _robust_recipe(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = robust_transformers.PLAIN_RECIPE
    return robust_transformers_measure.measure(config, progress)["errors"], config


def _robust_transformers(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = robust_transformers.FULL
    stored = {name: load_results(f"robust_transformers_{name}") for name in ("errors", "grouping", "gates")}
    return robust_transformers.run(config, progress, measured=stored), config


def _pruning_budgets(progress: Progress) -> tuple[pd.DataFrame, object]:
    return latency_pruning.measure_budgets(latency_pruning.FULL, progress), latency_pruning.FULL


def _pruning_platforms(progress: Progress) -> tuple[pd.DataFrame, object]:
    return latency_pruning_platforms.measure_platforms(progress=progress), {"seeds": [0, 1, 2], "importance": 0.8}


def _pruning_steps(progress: Progress) -> tuple[pd.DataFrame, object]:
    return latency_pruning.measure_steps(latency_pruning.FULL, progress), latency_pruning.FULL


def _pruning_measured(progress: Progress) -> tuple[pd.DataFrame, object]:
    return latency_pruning.measure_budgets(latency_pruning.MEASURED, progress), latency_pruning.MEASURED


def _pruning_titan_v(progress: Progress) -> tuple[pd.DataFrame, object]:
    return latency_pruning_titan_v.measure_titan_v(progress=progress), {"seeds": [0, 1, 2], "shares": [0.8, 0.6, 0.4]}


def _pruning_ablations(progress: Progress) -> tuple[pd.DataFrame, object]:
    parts = {
        latency_pruning.FULL: latency_pruning_ablations.KINDS,
        latency_pruning.MEASURED: latency_pruning_ablations.KINDS_HERE,
    }
    measure = latency_pruning_ablations.measure_ablations
    return pd.concat([measure(config, kinds=kinds, progress=progress) for config, kinds in parts.items()]), list(parts)


def _pruning_detector(progress: Progress) -> tuple[pd.DataFrame, object]:
    """Measure the detectors; the weights that ship are among them."""
    config = latency_pruning_detector.DetectorConfig()
    return latency_pruning_detector.measure_detectors(
        config, progress, on_pruned=latency_pruning_pair.ship_pair
    ), config


def _latency_pruning(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = latency_pruning.FULL
    return latency_pruning_table.run(config, progress, measured=latency_pruning_table.stored()), config


def _pruning_networks(progress: Progress) -> tuple[pd.DataFrame, object]:
    return latency_pruning.measure_correlation(latency_pruning.FULL, progress), latency_pruning.FULL


def _measured_parts(
    table: str,
    column: str,
    parts: Sequence[str],
    measure: Callable[[str], pd.DataFrame],
    of: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Measure a table part by part; the stored rows of a part, with the values ``of``, are kept where it needs what is not here."""
    frames = []
    for part in parts:
        try:
            frames.append(measure(part))
        except NotInstalledError as missing:
            tqdm.write(f"skipped {part}, whose stored rows are kept: {missing}")
            with contextlib.suppress(FileNotFoundError):
                stored = load_results(table)
                for name, value in {**(of or {}), column: part}.items():
                    stored = stored[stored[name] == value]
                frames.append(stored)
    return pd.concat(frames, ignore_index=True)


def _free_masks_features(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = free_masks_features.FULL
    measure = partial(free_masks_features.measure_choice, config, progress=progress)
    return _measured_parts("free_masks_features", "features", config.choices, measure), config


def _free_masks_embeddings(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = free_masks_embeddings.FULL
    measure = partial(free_masks_embeddings.measure_part, config, progress=progress)
    return _measured_parts("free_masks_embeddings", "features", config.features, measure), config


def _free_masks_peers(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = free_masks_comparison.FULL
    measure = partial(free_masks_comparison.measure_part, config, progress=progress)
    return _measured_parts("free_masks_peers", "features", config.features, measure), config


def _free_masks_real(progress: Progress) -> tuple[pd.DataFrame, object]:
    config = free_masks_real.FULL
    frames = []
    for dataset in config.datasets:

        def measure(features: str, dataset: str = dataset) -> pd.DataFrame:
            return free_masks_real.measure_part(config, dataset, features, progress)

        frames.append(_measured_parts("free_masks_real", "features", config.features, measure, {"dataset": dataset}))
    return pd.concat(frames, ignore_index=True), config


TABLES: dict[str, Callable[[Progress], tuple[pd.DataFrame, object]]] = {
    "learning_curves": _learning_curves,
    "cifar10_curves": _cifar10_curves,
    "two_sources": _two_sources,
    "how_much_data": _how_much_data,
    "how_much_data_correction": _correction,
    "optimal_collection_sweep": _campaigns,
    "optimal_collection": _optimal_collection,
    "targeted_selection_pairs": _selection_pairs,
    "targeted_selection_rankings": _selection_rankings,
    "targeted_selection_loop": _selection_loop,
    "targeted_selection_frames": _selection_frames,
    "targeted_selection": _targeted_selection,
    "targeted_selection_scale": _selection_scale,
    "targeted_selection_real": _selection_real,
    "fair_encoding_sweep": _fair_encoding_sweep,
    "fair_encoding_relabel": _fair_encoding_relabel,
    "fair_encoding_scores": _fair_encoding_scores,
    "fair_encoding": _fair_encoding,
    "latency_pruning_budgets": _pruning_budgets,
    "latency_pruning_steps": _pruning_steps,
    "latency_pruning_measured": _pruning_measured,
    "latency_pruning_ablations": _pruning_ablations,
    "latency_pruning_detector": _pruning_detector,
    "latency_pruning_platforms": _pruning_platforms,
    "latency_pruning_titan_v": _pruning_titan_v,
    "latency_pruning_networks": _pruning_networks,
    "latency_pruning": _latency_pruning,
    "robust_transformers_errors": _robust_errors,
    "robust_transformers_recipe": _robust_recipe,
    "robust_transformers": _robust_transformers,
    "free_masks_features": _free_masks_features,
    "free_masks_embeddings": _free_masks_embeddings,
    "free_masks_peers": _free_masks_peers,
    "free_masks_real": _free_masks_real,
}
"""In the order in which they are measured: later tables read earlier ones."""


def main(arguments: list[str] | None = None) -> None:
    """Measure the named tables, all by default, and write each when it is whole; skip what needs data that is not installed."""
    parser = argparse.ArgumentParser(prog="python -m workbench.experiments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one or more of {', '.join(TABLES)}; all by default")
    names = parser.parse_args(arguments).names
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        parser.error(f"no table is called {unknown[0]!r}; there are {', '.join(TABLES)}")
    for name in names or TABLES:
        try:
            with tqdm_progress(name) as progress:
                frame, config = TABLES[name](progress)
        except NotInstalledError as missing:
            print(f"skipped {name}, whose stored table is kept: {missing}")
            continue
        print(f"wrote {save_results(name, frame, config).name}: {len(frame)} rows")


if __name__ == "__main__":
    main()
