"""``python -m workbench.experiments``: what needs data that is not installed is skipped, and what was stored of it is kept."""

import json
import shutil

import pytest

from workbench.datasets import NotInstalledError, data_dir
from workbench.experiments import targeted_selection_real, two_sources
from workbench.experiments.__main__ import TABLES, main
from workbench.experiments.results import load_results, results_path


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    """Return a copy of the results, on a machine that has neither CIFAR-10 nor MobileNetV2."""
    shutil.copytree(data_dir() / "results", tmp_path / "data" / "results")
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    for name in ("WORKBENCH_CIFAR10", "WORKBENCH_MOBILENET_V2"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "data" / "results"


def test_a_table_of_absent_data_is_skipped_in_one_line_and_kept(results, capsys):
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    main(["cifar10_curves"])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("skipped cifar10_curves, whose stored table is kept: MobileNetV2")
    assert "python -m workbench.datasets.build mobilenet_v2" in line
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before


def test_stored_rows_of_an_absent_data_set_are_kept_beside_new_ones(results, capsys, monkeypatch):
    tiny = two_sources.TwoSourcesConfig(fractions=(0.1, 1.0), features=20, seeds=(0,))
    monkeypatch.setattr(two_sources, "STORED_GRIDS", (tiny, two_sources.ClassHalvesConfig()))
    old = results_path("two_sources").read_text().splitlines()
    recorded = {config["dataset"]: config for config in load_results("two_sources").attrs["record"]["config"]}
    main(["two_sources"])
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said[:2]] == [
        "skipped cifar-10 halves, whose stored rows are kept",
        "skipped cifar-10 halves, unbalanced, whose stored rows are kept",
    ]
    assert said[2].startswith("wrote two_sources.csv")
    new = results_path("two_sources").read_text().splitlines()
    assert new[5:] == [line for line in old if "cifar" in line]
    assert all(line.startswith("digits,0,") for line in new[1:5])
    configs = json.loads((results / "two_sources.json").read_text())["config"]
    assert [config["dataset"] for config in configs] == ["digits", "cifar-10 halves", "cifar-10 halves, unbalanced"]
    assert configs[1:] == [recorded[config["dataset"]] for config in configs[1:]]
    assert configs[0]["features"] == 20


def test_stored_rankings_of_absent_data_and_backbones_are_kept(results, capsys, monkeypatch):
    stored = load_results("targeted_selection_real")
    old = results_path("targeted_selection_real").read_text().splitlines()
    here = (targeted_selection_real.STREET, "Lite0")

    def measure(config, dataset, backbone, progress):
        if (dataset, backbone) != here:
            raise NotInstalledError(f"no {dataset} or {backbone}")
        return stored[(stored["dataset"] == dataset) & (stored["backbone"] == backbone)].head(2).assign(ap=0.5)

    monkeypatch.setattr(targeted_selection_real, "measure_part", measure)
    main(["targeted_selection_real"])
    said = capsys.readouterr().out
    assert "skipped crowded table by ResNet-50, whose stored rows are kept: no crowded table or ResNet-50" in said
    assert f"skipped {here[0]} by {here[1]}" not in said
    new = results_path("targeted_selection_real").read_text().splitlines()
    others = [line for line in old if not line.startswith(",".join(here))]
    assert [line for line in new if not line.startswith(",".join(here))] == others
    assert len(new) - len(others) == 2


def test_without_stored_rows_only_what_is_here_is_written(results, monkeypatch):
    tiny = two_sources.TwoSourcesConfig(fractions=(0.1, 1.0), features=20, seeds=(0,))
    monkeypatch.setattr(two_sources, "STORED_GRIDS", (tiny, two_sources.ClassHalvesConfig()))
    results_path("two_sources").unlink()
    main(["two_sources"])
    assert load_results("two_sources")["task"].unique().tolist() == ["digits"]


def test_tables_are_named_in_the_order_of_need():
    names = list(TABLES)
    assert names.index("two_sources") < names.index("optimal_collection")
    with pytest.raises(SystemExit):
        main(["no such table"])
