"""Inserts that tolerate an existing row, spelt once for both databases.

Build them as module constants: the text is compiled once per process and then only looked up.
Every row given to one of them names every column of the table.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles


class Upsert(sa.Insert):
    """Insert, or replace every column of the row that has the same primary key. Touches one row for each."""

    inherit_cache = True


class InsertNew(sa.Insert):
    """Insert, or change nothing when a row has the same primary key: the row count tells which."""

    inherit_cache = True


def upsert(table: sa.Table) -> Upsert:
    return Upsert(table).inline()


def insert_new(table: sa.Table) -> InsertNew:
    return InsertNew(table).inline()


@compiles(Upsert)
def _compile_upsert(element: Upsert, compiler: Any, **options: Any) -> str:
    table: sa.Table = element.table  # type: ignore[assignment]
    quote = compiler.preparer.quote
    columns = [quote(column.name) for column in table.columns if not column.primary_key]
    if not columns:
        return _compile_insert_new(element, compiler, **options)
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
    insert = compiler.visit_insert(element, **options)
    return f"{insert} ON CONFLICT ({_key(table, quote)}) DO UPDATE SET {changes}"


@compiles(InsertNew)
def _compile_insert_new(element: sa.Insert, compiler: Any, **options: Any) -> str:
    table: sa.Table = element.table  # type: ignore[assignment]
    key = _key(table, compiler.preparer.quote)
    return f"{compiler.visit_insert(element, **options)} ON CONFLICT ({key}) DO NOTHING"


def _key(table: sa.Table, quote: Any) -> str:
    return ", ".join(quote(column.name) for column in table.primary_key)
