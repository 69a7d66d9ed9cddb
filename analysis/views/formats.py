"""An answer as bytes: a text table, CSV, JSON, JSON lines, Parquet, Markdown or LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import datetime
from typing import Any
from typing import Literal
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq

from ablative.analysis.errors import QueryError

Format = Literal["table", "csv", "json", "jsonl", "parquet", "markdown", "latex"]
_IN_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)
TEXT_WIDTH = 345.0
"""Points in a line of LaTeX's class `article` at 10 points."""
_LATEX_CHARACTER, _LATEX_BETWEEN = 5.0, 12.0
"""Points of a character at that size, and between two columns."""
FORMATS: tuple[str, ...] = get_args(Format)


def render(answer: pa.Table, format: Format) -> bytes:
    """Return `answer` in `format`; text is UTF-8 and ends with a line break. NaN and null are both absent in text."""
    if format == "table":
        return text_table(answer).encode()
    if format == "csv":
        return _csv(answer).encode()
    if format == "json":
        return f"{json.dumps(_rows(answer), indent=1, ensure_ascii=False)}\n".encode()
    if format == "jsonl":
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in _rows(answer)).encode()
    if format == "markdown":
        return _markdown(answer).encode()
    if format == "latex":
        return _latex(answer).encode()
    if format == "parquet":
        return _parquet(answer)
    raise QueryError(f"format {format!r}: not known; one of {', '.join(FORMATS)}")


def rows_schema(columns: pa.Schema | None, title: str) -> dict[str, Any]:
    """Return the JSON Schema of `render`'s `json` for a table of these columns; for any table if None."""
    row: dict[str, Any] = {"type": "object"}
    if columns is not None:
        row |= {
            "properties": {column.name: _json_type(column) for column in columns},
            "required": columns.names,
            "additionalProperties": False,
        }
    return {"title": title, "type": "array", "items": row}


def _json_type(column: pa.Field) -> dict[str, Any]:
    if pa.types.is_list(column.type):
        return {"type": "array", "items": _json_type(column.type.value_field)}
    kinds = {"string": pa.types.is_string, "boolean": pa.types.is_boolean, "integer": pa.types.is_integer}
    name = next((name for name, holds in kinds.items() if holds(column.type)), "number")
    absent = column.nullable or name == "number"  # NaN is a number, and JSON has no sign for it
    return {"type": [name, "null"] if absent else name}


def in_latex(text: str) -> str:
    """Return text escaped for LaTeX, character by character."""
    return text.translate(_IN_LATEX)


def in_markdown(text: str) -> str:
    """Return text without anything that Markdown or HTML would read as markup."""
    for sign in "\\`*_|<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text


def text_table(answer: pa.Table) -> str:
    """Return aligned columns; numbers to the right with six significant digits, absent values as `-`."""
    header, rows, right = text_cells(answer)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [_line(row, widths, right) for row in [header, ["-" * width for width in widths], *rows]]
    return "\n".join(lines) + f"\n({len(rows)} row{'s' * (len(rows) != 1)})\n"


def text_cells(answer: pa.Table) -> tuple[list[str], list[list[str]], list[bool]]:
    """Return header, cells as text, and which columns are numbers."""
    header = [_one_line(name) for name in answer.column_names]
    rows = [[_cell(value) for value in row.values()] for row in _positional_rows(answer)]
    return header, rows, [_is_number(field.type) for field in answer.schema]


def _markdown(answer: pa.Table) -> str:
    header, rows, numbers = text_cells(answer)
    rule = ["---:" if number else "---" for number in numbers]
    escaped = [[cell.replace("\\", "\\\\").replace("|", "\\|") for cell in row] for row in [header, *rows]]
    return "".join(f"| {' | '.join(row)} |\n" for row in [escaped[0], rule, *escaped[1:]])


def _latex(answer: pa.Table) -> str:
    """A `tabular` for the package booktabs, narrowed to a line of `article` if it is wider."""
    header, rows, numbers = text_cells(answer)
    longest = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    wide = sum(_LATEX_CHARACTER * length + _LATEX_BETWEEN for length in longest) > TEXT_WIDTH
    columns = "".join("r" if number else "l" for number in numbers)
    lines = [" & ".join(map(in_latex, row)) + " \\\\" for row in [header, *rows]]
    body = "\n".join(lines[1:])
    rules = f"\\toprule\n{lines[0]}\n\\midrule\n{body}\n\\bottomrule"
    table = f"\\begin{{tabular}}{{{columns}}}\n{rules}\n\\end{{tabular}}"
    packages = "the packages booktabs and graphicx" if wide else "the package booktabs"
    return f"% needs {packages}\n" + (f"\\resizebox{{\\linewidth}}{{!}}{{%\n{table}}}\n" if wide else f"{table}\n")


def _line(row: list[str], widths: list[int], right: list[bool]) -> str:
    cells = [
        text.rjust(w) if to_right else text.ljust(w) for text, w, to_right in zip(row, widths, right, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return _one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _one_line(text: str) -> str:
    """A cell is one line, and no control character in a record can steer the reader's terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _csv(answer: pa.Table) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(answer.column_names)
    for row in _positional_rows(answer):
        values = [_plain(value) for value in row.values()]
        writer.writerow([json.dumps(value) if isinstance(value, list | dict) else value for value in values])
    return file.getvalue()


def _rows(answer: pa.Table) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in answer.to_pylist()]


def _positional_rows(answer: pa.Table) -> list[dict[str, Any]]:
    """Rows with columns named by position: SQL may give two columns one name."""
    return list(answer.rename_columns([str(position) for position in range(answer.num_columns)]).to_pylist())


def _plain(value: Any) -> Any:
    """Return `value` in JSON's types: NaN and infinities as None, times in ISO 8601, maps as objects."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        pairs = value and all(isinstance(item, tuple) and len(item) == 2 for item in value)
        return {str(key): _plain(item) for key, item in value} if pairs else [_plain(item) for item in value]
    return str(value)


def _parquet(answer: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(answer, sink)
    return sink.getvalue()


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
