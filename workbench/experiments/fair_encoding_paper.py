"""Published numbers of "Fairness Implications of Encoding Protected Categorical Attributes" (Mougan et al., AIES 2023).

Those of figures were read off the plots, so that their last digit is uncertain.  None of them is on the rows or by the
definitions of this experiment: the paper's code measures fairness on the training half, by rates of the low-risk class, over a file
with three rows an assessment.  What can be compared is which way a number moves.
"""

from __future__ import annotations

PAPER_FIGURE_1: dict[tuple[str, str], dict[str, float]] = {
    ("logistic regression", "none"): {"auc": 0.646, "equal_opportunity": 0.04, "average_absolute_odds": 0.28},
    ("logistic regression", "one-hot"): {"auc": 0.711, "equal_opportunity": 0.31, "average_absolute_odds": 1.27},
    ("MLP", "none"): {"auc": 0.656, "equal_opportunity": 0.05},
    ("MLP", "one-hot"): {"auc": 0.732, "equal_opportunity": 0.33},
    ("boosted trees", "none"): {"auc": 0.664, "equal_opportunity": 0.07, "average_absolute_odds": 0.48},
    ("boosted trees", "one-hot"): {"auc": 0.735, "equal_opportunity": 0.42, "average_absolute_odds": 2.48},
}
"""Figure 1, COMPAS: by model and encoding, AUC and sums over the groups; read off the plot."""

PAPER_FIGURE_3: dict[tuple[str, str], float] = {
    ("none", "MaritalStatus"): 0.08,
    ("none", "Ethnicity"): 0.015,
    ("none", "Ethnicity|MaritalStatus"): 0.16,
    ("one-hot", "MaritalStatus"): 0.14,
    ("one-hot", "Ethnicity"): 0.18,
    ("one-hot", "Ethnicity|MaritalStatus"): 0.26,
    ("target", "MaritalStatus"): 0.12,
    ("target", "Ethnicity"): 0.17,
    ("target", "Ethnicity|MaritalStatus"): 0.26,
    ("noise", "MaritalStatus"): 0.01,
    ("noise", "Ethnicity"): 0.02,
    ("noise", "Ethnicity|MaritalStatus"): 0.16,
    ("smoothing", "MaritalStatus"): 0.01,
    ("smoothing", "Ethnicity"): 0.01,
    ("smoothing", "Ethnicity|MaritalStatus"): 0.16,
}
"""Figure 3, COMPAS, logistic regression: greatest equal-opportunity gap by encoding and attribute."""

PAPER_SWEET_SPOT = 0.3
"""Figure 2: standard deviation of the noise from which on fairness has reached its plateau."""

PAPER_FIGURE_6_AUC = (0.598, 0.612)
"""Figure 6, US census: least and greatest AUC of all encodings; read off the plot."""
