"""From bytes of unknown origin to rows of fields, and from fields to numbers without guessing."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a WebP image or another RIFF file"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PAR1", "a Parquet file"),
    (b"\x93NUMPY", "a NumPy array file"),
    (b"\x89HDF", "an HDF5 file"),
)
_ENCODINGS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = "not a table of text: save the table as CSV and use that file"
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b]")
_NUMBER_SPACE_NUMBER = re.compile(r"^[+-]?[0-9][0-9._]*\s+[+-]?[0-9.]")
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity|n/?a|none|null|-)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
_COMMA_GROUPS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
_DOT_GROUPS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+")
_OTHER_GROUPS = re.compile(r"[0-9]{1,3}(?:[_'\u2019 \u00a0\u202f][0-9]{3})+")


class DelimitedTextError(ValueError):
    """Text or a field that cannot be read with certainty; the message is a full sentence without its place."""


@dataclass(frozen=True)
class Row:
    """One line of the text: its 1-based line number and its stripped fields."""

    line: int
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows, the separator that divides them (``None``: any white space), and whether some number has a decimal comma."""

    rows: tuple[Row, ...]
    separator: str | None
    decimal_comma: bool


def shown(text: str, width: int = 40) -> str:
    """Return ``text`` quoted for a message, cut to ``width`` characters."""
    return repr(text if len(text) <= width else text[: width - 1] + "…")


def decode(content: bytes) -> str:
    """Return the text of a UTF-8, UTF-16, UTF-32 or Windows-1252 file, or say what kind of binary file it is."""
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            raise DelimitedTextError(f"this looks like {kind}, {_NOT_TEXT}")
    encoding = next((name for mark, name in _ENCODINGS if content.startswith(mark)), None) or _guess_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise DelimitedTextError(f"the file starts like {encoding} text but is {_NOT_TEXT}") from None
        return content.decode("cp1252", errors="replace")


def _guess_encoding(content: bytes) -> str:
    """UTF-16 without its mark has a zero in every other byte of plain text."""
    head = content[:2000]
    if len(head) >= 4 and len(content) % 2 == 0:
        if head[1::2].count(0) > 0.7 * len(head[1::2]) and not head[::2].count(0):
            return "utf-16-le"
        if head[::2].count(0) > 0.7 * len(head[::2]) and not head[1::2].count(0):
            return "utf-16-be"
    return "utf-8"


def split_table(text: str) -> Table:
    """Divide text into rows of fields by tab, ``;``, ``,`` or white space; blank lines and ``#`` comments go."""
    if _CONTROL.search(text):
        raise DelimitedTextError(f"this is a binary file, {_NOT_TEXT}")
    lines = list(enumerate(re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff")), start=1))
    lines = [(number, _without_comment(line)) for number, line in lines]
    lines = [(number, line) for number, line in lines if line.strip()]
    separator = _declared_separator(lines)
    if separator:
        lines = lines[1:]
    else:
        separator = _find_separator([line for _, line in lines])
    rows = tuple(Row(number, _fields(line, separator, number)) for number, line in lines)
    if len(rows) > 1 and len(rows[0].fields) != len(rows[1].fields):
        number, line = lines[0]
        header = _fields(line, _find_separator([line]), number)
        if len(header) == len(rows[1].fields):  # a header typed by hand above rows that were pasted
            rows = (Row(number, header), *rows[1:])
    rows = tuple(row for row in rows if any(row.fields))
    decimal_comma = any(_shows_decimal_comma(field) for row in rows for field in row.fields)
    return Table(rows, separator, decimal_comma)


def _without_comment(line: str) -> str:
    if line.lstrip().startswith("#"):
        return ""
    return line if '"' in line else re.sub(r"\s#.*$", "", line)


def _declared_separator(lines: list[tuple[int, str]]) -> str | None:
    """Excel writes ``sep=;`` as a first line."""
    match = re.fullmatch(r'"?sep=([,;\t])"?', lines[0][1].strip(" ")) if lines else None
    return match.group(1) if match else None


def _find_separator(lines: list[str]) -> str | None:
    for separator in "\t;":
        if 2 * sum(separator in line for line in lines) >= len(lines) > 0:
            return separator
    with_comma = sum("," in line for line in lines)
    spaced = any(_NUMBER_SPACE_NUMBER.match(field.strip()) for line in lines for field in line.split(","))
    return "," if 2 * with_comma >= len(lines) and not spaced else None


def _fields(line: str, separator: str | None, number: int) -> tuple[str, ...]:
    if separator is None:
        return tuple(field.strip('"') for field in line.split())
    try:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error as error:
        raise DelimitedTextError(f"line {number} cannot be divided into fields ({error})") from None
    return tuple(field.strip() for field in fields)


def _shows_decimal_comma(field: str) -> bool:
    field = field.removesuffix("%").strip()
    return bool(_DECIMAL_COMMA.fullmatch(field)) and not _COMMA_GROUPS.fullmatch(field)


def is_number_like(field: str) -> bool:
    """Return whether a field is meant as a number, in any of the notations that people use."""
    field = field.removesuffix("%").strip()
    patterns = (_PLAIN, _NOT_FINITE, _DECIMAL_COMMA, _COMMA_GROUPS, _DOT_GROUPS, _OTHER_GROUPS)
    return any(pattern.fullmatch(field) for pattern in patterns)


def parse_count(field: str, table: Table) -> int:
    """Return a positive whole number; thousands separators are read where they cannot be a decimal sign."""
    digits = field
    if _OTHER_GROUPS.fullmatch(field):
        digits = re.sub(r"[^0-9]", "", field)
    elif _COMMA_GROUPS.fullmatch(field):
        if field.count(",") == 1 and (table.separator == ";" or table.decimal_comma):
            raise DelimitedTextError(_two_ways(field, ","))
        digits = field.replace(",", "")
    elif _DOT_GROUPS.fullmatch(field):
        if field.count(".") == 1 and not table.decimal_comma:
            raise DelimitedTextError(_two_ways(field, "."))
        digits = field.replace(".", "")
    value = _plain_number(digits, field, "a number of samples such as 12000")
    if value <= 0:
        raise DelimitedTextError(f"{shown(field)} is not above 0, but n counts samples")
    if value != int(value) or value > 2**53:
        raise DelimitedTextError(
            f"{shown(field)} is not a whole number of samples (n counts samples, it is not a share of the data)"
        )
    return int(value)


def parse_decimal(field: str, table: Table, expected: str) -> float:
    """Return a finite number; a decimal comma is read where it cannot be a thousands separator."""
    digits = field
    if _DECIMAL_COMMA.fullmatch(field):
        if table.separator != ";" and _COMMA_GROUPS.fullmatch(field):
            raise DelimitedTextError(_two_ways(field, ","))
        digits = field.replace(",", ".")
    return _plain_number(digits, field, expected)


def _plain_number(digits: str, field: str, expected: str) -> float:
    if not field:
        raise DelimitedTextError(f"the field is empty; expected {expected}")
    if _NOT_FINITE.fullmatch(digits):
        raise DelimitedTextError(f"{shown(field)} is not finite; expected {expected}")
    if not _PLAIN.fullmatch(digits):
        raise DelimitedTextError(f"{shown(field)} is not a number; expected {expected}")
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise DelimitedTextError(f"{shown(field)} is not finite; expected {expected}")
    return value


def _two_ways(field: str, sign: str) -> str:
    whole, tail = field.split(sign, 1)
    return f"{shown(field)} can be read as {whole}{tail} or as {whole}.{tail}: write it without a thousands separator"
