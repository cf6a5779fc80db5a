"""README shows the claims that the stored results give, and names every notebook."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.experiments.how_much_data_claims import claims
from workbench.experiments.results import load_results, markdown_table

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_claims_table_is_the_stored_one():
    shown = re.search(r"<!-- claims:start -->\n(.*)<!-- claims:end -->", README, re.S).group(1)
    assert shown == markdown_table(claims(load_results("how_much_data")))


def test_every_notebook_has_its_row_and_every_picture_exists():
    for path in (ROOT / "notebooks").glob("[01][1-9]_*.ipynb"):
        assert f"notebooks/{path.name}" in README
        assert path.name in (ROOT / "notebooks" / "00_start_here.ipynb").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).is_file(), target
