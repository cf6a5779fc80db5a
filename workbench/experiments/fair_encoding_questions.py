"""What may be asked of the tables of people of paper 10: a task, and the card that says what its label is and is not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from workbench.datasets import DataCard, load_adult, load_compas, load_compas_two_years
from workbench.experiments import fair_encoding_tasks as tasks
from workbench.experiments.fair_encoding_tasks import EncodingTask


@dataclass(frozen=True)
class Question:
    """One question about people.

    Attributes:
        make: builds its task.
        card: returns what the data is and is not.
    """

    make: Callable[[], EncodingTask]
    card: Callable[[], DataCard]


_LOADERS = {"compas": load_compas, "rearrest": load_compas_two_years, "adult": load_adult}


@functools.cache
def _card(name: str) -> DataCard:
    return _LOADERS[name]().card


@functools.cache
def _crossed(name: str) -> tuple[EncodingTask, ...]:
    return tuple(tasks.intersection_tasks() if name == tasks.COMPAS_CROSSED else tasks.adult_tasks())


def _one_of(name: str, attribute: str) -> EncodingTask:
    return next(task for task in _crossed(name) if task.attribute == attribute)


def questions() -> dict[str, Question]:
    """Return the questions that the shipped tables answer, by what a list calls them.

    >>> list(questions())[:2]
    ['COMPAS: ethnicity', 'COMPAS: ethnicity alone']
    >>> questions()["COMPAS: ethnicity"].make().encoded
    ('Ethnicity', 'MaritalStatus')
    """
    compas, rearrest, adult = (functools.partial(_card, name) for name in _LOADERS)
    return {
        "COMPAS: ethnicity": Question(tasks.compas_task, compas),
        "COMPAS: ethnicity alone": Question(tasks.compas_alone_task, compas),
        "COMPAS: rearrest, race": Question(tasks.two_years_task, rearrest),
        "COMPAS: ethnicity | marital status": Question(lambda: _one_of(tasks.COMPAS_CROSSED, tasks.BOTH), compas),
        "Adult: race": Question(lambda: _one_of(tasks.ADULT, tasks.RACE), adult),
        "Adult: native country": Question(lambda: _one_of(tasks.ADULT, tasks.COUNTRY), adult),
        "Adult: race | country": Question(lambda: _one_of(tasks.ADULT, tasks.RACE_COUNTRY), adult),
    }
