"""README shows the claims that the stored results give, and names every notebook."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench.experiments import (
    fair_encoding_claims,
    how_much_data_claims,
    latency_pruning_claims,
    optimal_collection_claims,
    robust_transformers_claims,
    targeted_selection_claims,
)
from workbench.experiments.results import load_results, markdown_table

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


CLAIMS = {
    "how_much_data": how_much_data_claims,
    "optimal_collection": optimal_collection_claims,
    "targeted_selection": targeted_selection_claims,
    "fair_encoding": fair_encoding_claims,
    "robust_transformers": robust_transformers_claims,
    "latency_pruning": latency_pruning_claims,
}
STORED = {"latency_pruning": "latency_pruning_budgets"}
"""Tables that are called otherwise than their paper."""


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_table_is_the_stored_one(name):
    shown = re.search(f"<!-- claims {name}:start -->\n(.*)<!-- claims {name}:end -->", README, re.S).group(1)
    assert shown == markdown_table(CLAIMS[name].claims(load_results(STORED.get(name, name))))


def test_every_notebook_has_its_row_and_every_picture_exists():
    for path in (ROOT / "notebooks").glob("[01][1-9]_*.ipynb"):
        assert f"notebooks/{path.name}" in README
        assert path.name in (ROOT / "notebooks" / "00_start_here.ipynb").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).is_file(), target
