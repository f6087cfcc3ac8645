"""Every SQL table, one schema for SQLite and PostgreSQL.

Documents are JSON bytes: what users may extend has no columns. Columns exist for what is searched,
sorted or made unique. Times are Unix seconds.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def _key(length: int) -> sa.String:
    """A name that is compared byte by byte: IDs are time-ordered only in that order."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


definitions = sa.Table(
    "definitions",
    metadata,
    sa.Column("kind", _key(32), primary_key=True),
    sa.Column("id", _key(128), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),  # storage order within the kind
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", _key(128), primary_key=True),  # the normalised username
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", _key(64), primary_key=True),  # SHA-256 of the session ID: a leaked table is no login
    sa.Column("username", sa.String(128), nullable=False, index=True),
    sa.Column("expires", sa.BigInteger, nullable=False, index=True),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

state = sa.Table(
    "state",
    metadata,
    sa.Column("key", _key(160), primary_key=True),  # a path such as events/emgz001
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", _key(64), primary_key=True),
    sa.Column("completed", sa.Float, nullable=False),
    sa.Column("elapsed", sa.Float, nullable=False),
    sa.Column("event", sa.String(128), nullable=False),
    sa.Column("category", sa.String(128), nullable=False),
    sa.Column("summary", sa.LargeBinary, nullable=False),  # the record without its heavy properties
    sa.Column("heavy", sa.LargeBinary, nullable=False),  # the heavy properties alone
    # With the ID, so that a page is found without reading a document. Events are found through `terms`.
    sa.Index("ix_jobs_completed", "completed", "id"),
    sa.Index("ix_jobs_elapsed", "elapsed", "id"),
)

activity = sa.Table(
    "activity",
    metadata,
    sa.Column("id", _key(64), primary_key=True),
    sa.Column("action", sa.String(64), nullable=False, index=True),
    sa.Column("epoch", sa.BigInteger, nullable=False, index=True),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

servers = sa.Table(
    "servers",
    metadata,
    sa.Column("id", _key(64), primary_key=True),
    sa.Column("hostname", sa.String(255), nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

samples = sa.Table(
    "samples",
    metadata,
    sa.Column("server", _key(64), primary_key=True),  # the latest minute sample of each server
    sa.Column("date", sa.BigInteger, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

fence = sa.Table(
    "fence",
    metadata,
    # One row: the epoch of the primary that may write. Whoever carries an older one is refused.
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

terms = sa.Table(
    "terms",
    metadata,
    # The word index of every searchable table: this record has this word in this field. The key is also
    # the posting list in ID order. There is no index by record: a record's words follow from the record.
    sa.Column("index_name", _key(16), primary_key=True),
    sa.Column("field", _key(32), primary_key=True),
    sa.Column("word", _key(255), primary_key=True),
    sa.Column("record", _key(64), primary_key=True),
    sqlite_with_rowid=False,
)

secret_values = sa.Table(
    "secret_values",
    metadata,
    sa.Column("id", _key(128), primary_key=True),  # of the secret; `*` tells which key all are under
    sa.Column("doc", sa.LargeBinary, nullable=False),  # an envelope (definitions/sealing.py)
)

versions = sa.Table(
    "versions",
    metadata,
    # Every state that a definition was ever in, as far back as they are kept.
    sa.Column("kind", _key(32), primary_key=True),
    sa.Column("id", _key(128), primary_key=True),
    sa.Column("number", _key(64), primary_key=True),  # grows with time
    sa.Column("doc", sa.LargeBinary, nullable=False),  # as an activity row: who, when, what it was then
)

password_recovery = sa.Table(
    "password_recovery",
    metadata,
    sa.Column("id", _key(64), primary_key=True),  # SHA-256 of the mailed key: a leaked table resets nothing
    sa.Column("username", sa.String(128), nullable=False, index=True),
    sa.Column("expires", sa.BigInteger, nullable=False, index=True),
)

security_log = sa.Table(
    "security_log",
    metadata,
    sa.Column("id", _key(64), primary_key=True),
    sa.Column("username", _key(128), nullable=False),  # normalised
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.Index("ix_security_log_username", "username", "id"),
)

satellite_credentials = sa.Table(
    "satellite_credentials",
    metadata,
    # Which generation of its key a satellite has, and until when an older one is good. No key is stored.
    sa.Column("id", _key(64), primary_key=True),  # of the server
    sa.Column("doc", sa.LargeBinary, nullable=False),
)
