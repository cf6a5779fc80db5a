"""Which column of a person's table is the size, the score, the task, the seed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from workbench.datasets._delimited_text import shown

_SIZE_NAMES = """
n n_1 n_train ntrain num_train size sizes train_size train_sizes size_train training_size training_set_size
data_size dataset_size sample_size samples sample n_samples num_samples number_of_samples train_samples
training_samples images n_images num_images number_of_images examples n_examples num_examples train_examples
training_examples seen_examples anchor
"""
_SCORE_NAMES = """
score accuracy mean_score acc miou scores map top1 top_1 top1_accuracy top_1_accuracy top1_acc balanced_accuracy
val_acc val_accuracy valid_acc validation_accuracy test_acc test_accuracy val_score valid_score validation_score
test_score score_valid score_val score_test score_mean mean_test_score map50 ap mean_iou iou nds f1 auc metric value
"""
_ERROR_NAMES = """
error err error_rate errors test_error test_err val_error val_err valid_error validation_error top1_error top_1_error top1_err
error_mean mean_error
"""
ERROR_ALIASES = tuple(_ERROR_NAMES.split())
"""Names of scores of which lower is better."""
ALIASES: dict[str, tuple[str, ...]] = {
    "n": tuple(_SIZE_NAMES.split()),
    "score": tuple(_SCORE_NAMES.split()),
    "task": ("task", "dataset", "data_set", "benchmark", "problem", "openmlid"),
    "seed": ("seed", "random_seed", "run", "repeat", "repetition", "trial", "fold", "split"),
    "model": ("model", "learner", "architecture", "arch", "method", "estimator", "network"),
}
_NUMBERED = re.compile(r"n_?([0-9]+)")
_SCALING_LAW_COLUMNS = {"seen_examples", "loss", "training"}


class LearningCurveFormatError(ValueError):
    """A table of learning curves that cannot be read; the message says what is wrong, where, and what was expected.

    Attributes:
        row: 1-based line of the text, or None when the whole table is meant.
        column: name of the column as the person wrote it, or None.
    """

    def __init__(self, problem: str, *, row: int | None = None, column: str | None = None) -> None:
        place = ", ".join(filter(None, (row and f"row {row}", column and f"column {shown(column)}")))
        super().__init__(f"{place}: {problem}" if place else problem)
        self.row = row
        self.column = column


def find_columns(header: Sequence[str], columns: Mapping[str, str], direction: str = "max") -> dict[str, int]:
    """Return the index of each role's column: n; score, or loss and training; task, seed and model where there are such.

    With ``direction="min"`` the score is a column of errors where there is one.
    """
    normal = [_normal(name) for name in header]
    sources = [name for name, key in zip(header, normal, strict=True) if _NUMBERED.fullmatch(key)]
    if len(sources) > 1 and "n" not in columns:
        raise LearningCurveFormatError(
            f"columns {listed(sources)} give the sizes of several sources; such a table belongs to the collection planner, "
            "this reader takes one column n"
        )
    found = _named(header, columns, direction)
    if set(normal) >= _SCALING_LAW_COLUMNS and "score" not in columns:
        found |= {"loss": normal.index("loss"), "training": normal.index("training")}
    return _complete(found, header, ALIASES, ("n", "score"))


def find_source_columns(header: Sequence[str], columns: Mapping[str, str], direction: str = "max") -> dict[str, int]:
    """Return the index of each role's column: n_1, n_2, ... in that order, score; task, seed and model where there are such."""
    found = _named(header, columns, direction)
    for index, name in enumerate(header):
        match = _NUMBERED.fullmatch(_normal(name))
        if match and index not in found.values():
            role = f"n_{int(match.group(1))}"
            if role in found:
                names = listed([header[found[role]], name])
                raise LearningCurveFormatError(f"several columns could be {role}: {names}")
            found[role] = index
    sizes = sorted((role for role in found if is_size(role)), key=lambda role: int(role[2:]))
    if len(sizes) < 2:
        raise LearningCurveFormatError(
            f"the sizes of at least two sources are needed, in columns n_1, n_2, ...; the table has {listed(header)}"
        )
    if missing := [role for role in (f"n_{number + 1}" for number in range(len(sizes))) if role not in sizes]:
        raise LearningCurveFormatError(f"no column {missing[0]!r} beside {listed(sizes)}; sources count from n_1 on")
    rest = {role: index for role, index in found.items() if role not in sizes}
    others = [role for role in ALIASES if role != "n"]
    return {role: found[role] for role in sizes} | _complete(rest, header, others, ("score",))


def is_size(role: str) -> bool:
    """Return whether a role is the size of a source: ``n``, or ``n_1``, ``n_2``, ..."""
    return re.fullmatch(r"n(_[1-9][0-9]*)?", role) is not None


def _named(header: Sequence[str], columns: Mapping[str, str], direction: str) -> dict[str, int]:
    """Return the columns that the person named, and with ``direction="min"`` the one column of errors as the score."""
    errors = _errors(header)
    if direction == "min" and len(errors) == 1 and "score" not in columns:
        columns = {**columns, "score": errors[0]}
    if missing := [name for name in columns.values() if name not in header]:
        raise LearningCurveFormatError(f"no column {shown(missing[0])}; the table has {listed(header)}")
    return {role: list(header).index(name) for role, name in columns.items()}


def _complete(
    found: dict[str, int], header: Sequence[str], roles: Iterable[str], required: Sequence[str]
) -> dict[str, int]:
    """Add the columns of the other roles by their usual names."""
    normal, errors = [_normal(name) for name in header], _errors(header)
    for role in roles:
        if role not in found and not (role == "score" and "loss" in found):
            found |= _match(role, header, normal)
    for role in required:
        if role not in found and not (role == "score" and "loss" in found):
            known = ", ".join(ALIASES[role][:6:2])
            if role == "score" and errors:
                raise LearningCurveFormatError(
                    f'{shown(errors[0])} looks like an error, of which lower is better: say so (direction="min"), '
                    "or give a column of scores"
                )
            raise LearningCurveFormatError(f"no column for {role} (such as {known}); the table has {listed(header)}")
    return found


def _errors(header: Sequence[str]) -> list[str]:
    return [name for name in header if _normal(name) in ERROR_ALIASES]


def _match(role: str, header: Sequence[str], normal: Sequence[str]) -> dict[str, int]:
    """The role's own name wins; otherwise one alias may occur."""
    matches = [index for index, key in enumerate(normal) if key == role]
    matches = matches or [index for index, key in enumerate(normal) if key in ALIASES[role]]
    if len(matches) > 1:
        names = listed([header[index] for index in matches])
        raise LearningCurveFormatError(
            f"several columns could be {role}: {names}; say which with columns={{{role!r}: ...}}"
        )
    return {role: matches[0]} if matches else {}


def _normal(name: str) -> str:
    """``"Top-1 accuracy (%)"`` -> ``top_1_accuracy``."""
    name = re.sub(r"[(\[].*?[)\]]|%", "", name[:200]).strip()
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def listed(names: Sequence[str]) -> str:
    """Return up to twelve names, quoted."""
    return ", ".join(shown(name) for name in names[:12]) + (" ..." if len(names) > 12 else "")
