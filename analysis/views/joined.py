"""Rows of several studies in one table."""

from __future__ import annotations

import pyarrow as pa


def joined(tables: list[pa.Table]) -> pa.Table:
    """Rows of all tables; a column that some tables lack is null there, a column of differing types becomes text."""
    types: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            types.setdefault(field.name, set()).update({field.type} - {pa.null()})
    return pa.concat_tables([_unified(table, types) for table in tables], promote_options="permissive")


def _unified(table: pa.Table, types: dict[str, set[pa.DataType]]) -> pa.Table:
    for position, field in enumerate(table.schema):
        if len(types[field.name]) > 1 and pa.string() in types[field.name] and field.type != pa.string():
            table = table.set_column(position, field.name, table[field.name].cast(pa.string()))
    return table
