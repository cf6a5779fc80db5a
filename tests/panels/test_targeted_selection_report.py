"""Claims and runs of notebook 03: stored numbers first, then those measured in a tiny run."""

from __future__ import annotations

from types import SimpleNamespace

from workbench.experiments.results import load_results
from workbench.experiments.targeted_selection import QUICK
from workbench.panels import targeted_selection_report as report


def test_stored_rows_fill_what_a_short_run_leaves_out():
    stored = load_results("targeted_selection")
    new = stored.iloc[[3]].assign(value=-1.0)
    merged = report.with_stored(new)
    assert len(merged) == len(stored)
    assert merged["value"].iloc[0] == -1.0
    names = ["claim", "setting", "quantity"]
    assert (
        merged[names].sort_values(names, ignore_index=True).equals(stored[names].sort_values(names, ignore_index=True))
    )


def test_a_run_replaces_the_claims_and_the_rankings_of_the_panel(monkeypatch):
    """The measurements themselves are tested with the experiment; here it counts where they come from and go to."""
    stored = {name: load_results(f"targeted_selection{name}").head(12) for name in ("_rankings", "_loop", "")}
    asked = []

    def stand_in(name):
        def measure(config, progress, cancel, **tables):
            asked.append((config, sorted(tables)))
            return stored[name]

        return measure

    for function, name in (("measure_rankings", "_rankings"), ("measure_loop", "_loop"), ("run", "")):
        monkeypatch.setattr(report, function, stand_in(name))
    table, shown = report.ClaimsTable(), []
    assert "measured on" in table.value
    panel = SimpleNamespace(show_rankings=shown.append, draw_anew=lambda: shown.append("drawn"))
    runs = report.run_panel(table, panel)
    runs.start(report.RUN_QUICK)
    assert runs.wait(20) is stored[""]
    assert asked == [(QUICK, []), (QUICK.loop, []), (QUICK, ["loop", "rankings"])]
    assert [message.text for message in runs.messages if message.level == "error"] == []
    assert "a small pool just now, the rest stored" in table.value
    assert shown[0] is stored["_rankings"]
    assert shown[1:] == ["drawn"]
