"""What the panel of notebook 04 is about: the people, the model, the encoding, the threshold, and the definition of fairness."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import traitlets

from workbench.datasets import DataCard
from workbench.encoders import CategoryTable, TrainingColumn
from workbench.experiments.fair_encoding import FULL
from workbench.experiments.fair_encoding_frontier import TOTALS
from workbench.experiments.fair_encoding_questions import Question, questions
from workbench.experiments.fair_encoding_scores import LINEAR, ScoreBook
from workbench.experiments.fair_encoding_tasks import COMPAS, EncodingTask
from workbench.experiments.results import load_results
from workbench.figures.fair_encoding import METRIC_WORDS

ENCODINGS = {"none": "drop", "one-hot": "one-hot", "target + smoothing": "smoothing", "target + noise": "noise"}
WORDS = {value: words for words, value in ENCODINGS.items()}
SMOOTHING, NOISE = FULL.smoothing, FULL.noise
FIRST = "COMPAS: ethnicity"


class EncodingChoice(traitlets.HasTraits):
    """A question about people and one way to encode them, mixed into :class:`workbench.panels.base.Panel`.

    ``question`` names the data, ``model`` the learner, ``scheme`` the encoding (``"drop"``, ``"one-hot"``, ``"smoothing"``,
    ``"noise"``) with its strengths ``smoothing`` (m) and ``noise`` (lambda); moving a strength chooses its encoding.  ``threshold``
    is tau, ``convention`` says whose definitions count, ``metric`` and ``total`` what is read off.
    """

    question = traitlets.Unicode(FIRST)
    model = traitlets.Unicode(LINEAR)
    scheme = traitlets.Unicode("smoothing")
    smoothing = traitlets.Float(1e2)
    noise = traitlets.Float(0.3)
    threshold = traitlets.Float(0.5)
    metric = traitlets.Unicode("equal_opportunity")
    total = traitlets.Unicode("max")
    convention = traitlets.Unicode("paper")

    def build_choice(self) -> None:
        """Make the controls of the top row."""
        self.questions: dict[str, Question] = questions()
        self.tasks: dict[str, EncodingTask] = {}
        self._books = lru_cache(maxsize=8)(self._make_book)
        self._tables = lru_cache(maxsize=32)(self._count)
        self._drawn: dict[str, tuple] = {}
        self._generation = 0
        self.dropdown(
            "question", list(self.questions), "People", tooltip="Whose label is learned, and how they are grouped"
        )
        self.dropdown("model", [LINEAR], "Model", tooltip="With the defaults of scikit-learn")
        self.choice("scheme", ENCODINGS, "Protected column", tooltip="How the protected column reaches the model")
        self.steps(
            "smoothing",
            {_amount(m): m for m in SMOOTHING},
            "Smoothing m",
            "rows",
            tooltip="How many rows of the prior each category is mixed with; 0 is plain target encoding",
        )
        self.steps(
            "noise",
            {f"{value:g}": value for value in NOISE},
            "Noise λ",
            "standard deviation",
            tooltip="Added to the encodings of training rows alone",
        )
        self.slider(
            "threshold",
            0.05,
            0.95,
            0.01,
            "Threshold τ",
            "score",
            format=".2f",
            tooltip="A score above it is selected; a score at it is not",
        )
        self.dropdown(
            "metric",
            {words: name for name, words in METRIC_WORDS.items()},
            "Fairness",
            tooltip="Gap of each group to the reference group",
        )
        self.choice(
            "total",
            TOTALS,
            "over groups",
            tooltip="A sum grows with the number of groups: compare means or greatest gaps",
        )
        self.choice(
            "convention",
            ["paper", "published"],
            "Convention",
            tooltip="The paper's definitions, or those of its published code: see view 8",
        )
        self.fit_models()  # fmt: skip

    # What is chosen

    @property
    def book(self) -> ScoreBook:
        """The scores of the people that are shown."""
        return self._books(self.question)

    @property
    def task(self) -> EncodingTask:
        """The question as a task."""
        return self.book.task

    @property
    def shown(self) -> tuple[str, int]:
        """Names the people that are shown: a table that comes in anew under an old name is another one."""
        return self.question, self._generation

    @property
    def label(self) -> str:
        """The question, short enough for a title."""
        return self.question if len(self.question) <= 36 else self.question[:35] + "…"

    @property
    def card(self) -> DataCard:
        """What the label is and is not."""
        return self.questions[self.question].card()

    @property
    def strength(self) -> float:
        """Of the chosen encoding; NaN where it has none."""
        return {"smoothing": self.smoothing, "noise": self.noise}.get(self.scheme, np.nan)

    @property
    def operating(self) -> tuple[str, str, float]:
        """Model, scheme and strength."""
        return self.model, self.scheme, self.strength

    @property
    def m(self) -> float:
        """Smoothing of the encoding itself: 0 where the scheme is another."""
        return self.smoothing if self.scheme == "smoothing" else 0.0

    @property
    def lam(self) -> float:
        """Noise of the encoding itself: 0 where the scheme is another."""
        return self.noise if self.scheme == "noise" else 0.0

    def encoding_words(self) -> str:
        """Return the encoding as a person calls it.

        >>> class Choice(EncodingChoice):
        ...     pass
        >>> Choice(scheme="noise", noise=0.3).encoding_words(), Choice(scheme="drop").encoding_words()
        ('noise λ = 0.3', 'not encoded')
        """
        return {
            "drop": "not encoded",
            "one-hot": "one-hot",
            "smoothing": f"smoothing m = {self.smoothing:,.0f}" if self.smoothing else "plain target encoding",
            "noise": f"noise λ = {self.noise:g}",
        }[self.scheme]

    def gaps_table(self, scheme: str | None = None, strength: float = np.nan) -> pd.DataFrame:
        """Return every metric of every group for an encoding, the chosen one by default, at the threshold and convention set."""
        key = self.operating if scheme is None else (self.model, scheme, strength)
        return self.book.table(*key, self.threshold, self.convention)

    def column_table(self, column: str) -> CategoryTable:
        """Return the counts of a column on the training half."""
        return self._tables(self.question, column)

    def fresh(self, name: str, *key: Any) -> bool:
        """Return whether a view is to be drawn: False when it was drawn for this very state last."""
        if self._drawn.get(name) == key:
            return False
        self._drawn[name] = key
        return True

    def state_key(self) -> tuple:
        """Return what all numbers depend on."""
        return *self.shown, *map(str, self.operating), self.threshold, self.convention

    # State that belongs together

    def fit_choice(self, changed: frozenset[str]) -> None:
        """Follow a strength that was moved."""
        for name in ("smoothing", "noise"):
            if name in changed and not {"scheme", "question"} & changed and self.scheme != name:
                self.scheme = name

    def fit_models(self) -> None:
        """Offer the models whose scores can be had; a model that is gone becomes logistic regression."""
        if list(dict(self.controls["model"].options)) != list(self.book.models):
            self.set_options("model", self.book.models)

    def add_tasks(self, new: dict[str, EncodingTask], card: DataCard) -> None:
        """Offer more questions, and show the first of them; those of an earlier table of the same name are replaced."""
        self.tasks.update(new)
        self.questions |= {name: Question(lambda name=name: self.tasks[name], lambda: card) for name in new}
        self._books.cache_clear()
        self._tables.cache_clear()
        self._generation += 1
        with self.hold():
            self.set_options("question", list(self.questions))
            self.question = next(iter(new))
            self.fit_models()

    def _make_book(self, question: str) -> ScoreBook:
        task, stored = self.questions[question].make(), None
        if task.name == COMPAS and question not in self.tasks:
            with contextlib.suppress(FileNotFoundError):
                stored = load_results("fair_encoding_scores")
        return ScoreBook(task, stored=stored)

    def _count(self, question: str, column: str) -> CategoryTable:
        book = self._books(question)
        values = book.task.frame[column].iloc[book.train]
        return TrainingColumn.of(values, book.task.label[book.train], column).table


def _amount(m: float) -> str:
    """Return a strength of smoothing, short.

    >>> _amount(0.0), _amount(300.0), _amount(1e4), _amount(1e6)
    ('0', '300', '10 k', '1 M')
    """
    return f"{m:g}" if m < 1e3 else f"{m / 1e3:g} k" if m < 1e6 else f"{m / 1e6:g} M"
