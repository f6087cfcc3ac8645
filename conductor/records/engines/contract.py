"""What records ask of a database."""

from contextlib import AbstractContextManager
from typing import Protocol

import sqlalchemy as sa


class Engine(Protocol):
    """One database. Connections are in driver autocommit: transactions are begun by `begin`, in words.

    Methods block and are called from worker threads; only `interrupt` is called from any thread.
    """

    dialect: str
    """`sqlite` or `postgresql`."""
    max_parameters: int
    """Bind parameters that one statement may carry."""

    read_fence: str
    """Asks for the fence's epoch, and keeps others from raising it until the transaction has ended."""

    def connect_writer(self) -> sa.Connection:
        """A connection that may change things. Raises sqlalchemy.exc.DBAPIError."""

    def connect_reader(self) -> sa.Connection:
        """A connection that refuses to change things."""

    def begin(self, connection: sa.Connection) -> None:
        """Start a transaction that will not fail later for want of the write lock."""

    def is_transient(self, error: Exception) -> bool:
        """Whether the same transaction may succeed later on a new connection: server gone, lock held."""

    def interrupt(self, connection: sa.Connection) -> None:
        """End the statement that runs on `connection`, soon, with an error there."""

    def schema_lock(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """One transaction in which this process alone, of all that use the database, changes the schema."""

    def dispose(self) -> None: ...
