"""Where the published code of paper 10 departs from the paper, and what is done here."""

from __future__ import annotations

_TOPIC, _PAPER, _CODE, _HERE = "what", "the paper says", "the published code does", "here"

DIFFERENCES: tuple[dict[str, str], ...] = tuple(
    dict(zip((_TOPIC, _PAPER, _CODE, _HERE), row, strict=True))
    for row in (
        (
            "rates",
            "of label 1",
            "of label 0: TPR is the share of low-risk people called low-risk",
            "paper; code by the switch",
        ),
        (
            "average absolute odds",
            "(|ΔFPR| + |ΔTPR|) / 2",
            "twice |ΔFPR|, ΔTPR is not in it",
            "paper; code by the switch",
        ),
        (
            "demographic parity",
            "W1 of the scores",
            "W1 of the decisions: the gap of selection rates",
            "paper; code by the switch",
        ),
        ("fairness is measured on", "test rows", "the rows that it trained on", "paper; code by the switch"),
        (
            "Gaussian noise",
            "added to the mean",
            "CatBoost's ordered statistic times N(1, σ)",
            "both: “the code's noise” in view 3",
        ),
        ("halves", "stratified", "random", "stratified by group and label"),
        (
            "rows",
            "people",
            "three rows an assessment, so that nearly equal rows are in both halves",
            "one row an assessment",
        ),
        (
            "ethnicity",
            "one attribute",
            "ethnicity and marital status encoded or dropped together",
            "both: two entries of the list “People”",
        ),
        ("scores of −1", "", "36 assessments without a score count as low risk", "dropped"),
        (
            "census task",
            "income above $50 000",
            "travel time; the race code stays among the features",
            "Adult, income; own PUMS files",
        ),
    )
)
"""One row a difference: what it is about, the paper, the code, and the workbench."""
