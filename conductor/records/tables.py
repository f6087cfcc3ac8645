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
    # Numbers by ID, close together: a search looks up thousands of them (`search.plan`).
    sa.Index("ix_jobs_id", "id", "completed", "elapsed"),
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
    sa.Column("ip", sa.String(64), nullable=False, server_default=""),
    sa.Column("modified", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("ix_servers_hostname", "hostname", "id"),
    sa.Index("ix_servers_ip", "ip", "id"),
    sa.Index("ix_servers_modified", "modified", "id"),
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

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", _key(64), primary_key=True),  # of an invocation
    sa.Column("date", sa.BigInteger, nullable=False),
    sa.Column("modified", sa.BigInteger, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.Index("ix_alerts_date", "date", "id"),
    sa.Index("ix_alerts_modified", "modified", "id"),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("id", _key(64), primary_key=True),
    sa.Column("date", sa.BigInteger, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.Index("ix_snapshots_date", "date", "id"),
)

tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("id", _key(64), primary_key=True),
    sa.Column("num", sa.BigInteger, nullable=False, unique=True),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("modified", sa.BigInteger, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.Index("ix_tickets_created", "created", "id"),
    sa.Index("ix_tickets_modified", "modified", "id"),
)

action_failures = sa.Table(
    "action_failures",
    metadata,
    sa.Column("id", _key(64), primary_key=True),  # sorts by time
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

file_expiry = sa.Table(
    "file_expiry",
    metadata,
    # Files that are removed when their time has come, whether or not anything else remembers them.
    sa.Column("key", _key(1024), primary_key=True),
    sa.Column("expires", sa.BigInteger, nullable=False, index=True),
)

bucket_data = sa.Table(
    "bucket_data",
    metadata,
    # One row for each key of a bucket's data: two writers of different keys never meet.
    sa.Column("bucket", _key(128), primary_key=True),
    sa.Column("name", _key(512), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),  # order of the keys: that of their last writing
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

bucket_revisions = sa.Table(
    "bucket_revisions",
    metadata,
    # Changes with each change of the bucket's data; without a row it has never been written.
    sa.Column("bucket", _key(128), primary_key=True),
    sa.Column("revision", _key(32), nullable=False),
)

bucket_files = sa.Table(
    "bucket_files",
    metadata,
    sa.Column("bucket", _key(128), primary_key=True),
    sa.Column("name", _key(255), primary_key=True),  # normalised: names that are equal so are one file
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),  # its File object
)

statistics = sa.Table(
    "statistics",
    metadata,
    # One row for each day, or part of one that an administrator closed; the open one is today's.
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("closed", sa.Integer, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    # The causal event log (conductor/records/chain.py): append-only, in the order of commits, without gaps.
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    sa.Column("id", _key(36), nullable=False, unique=True),
    sa.Column("occurred", sa.BigInteger, nullable=False),  # microseconds since the epoch
    sa.Column("type", _key(64), nullable=False),
    sa.Column("actor_type", _key(16), nullable=False),
    sa.Column("actor", _key(128), nullable=False),
    sa.Column("resource_type", _key(32), nullable=False),
    sa.Column("resource", _key(36), nullable=False),
    sa.Column("correlation", _key(36), nullable=False),
    sa.Column("causation", _key(36), nullable=False),  # empty: nothing caused it
    sa.Column("category", _key(64), nullable=False),  # of what it is about, for who may see it; empty: none
    sa.Column("groups", sa.Text, nullable=False),  # as `,main,web,`; empty: none
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),  # SHA-256 over the hash before and this row
    sa.Index("ix_events_correlation", "correlation", "seq"),
    sa.Index("ix_events_resource", "resource", "seq"),
    sa.Index("ix_events_occurred", "occurred"),
)

timelines = sa.Table(
    "timelines",
    metadata,
    # History of monitors, an hour of a server in two rows: resolution 60 its minutes, 3600 their sum.
    sa.Column("server", _key(64), primary_key=True),
    sa.Column("resolution", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),  # msgpack (monitoring/buckets.py)
)

alert_states = sa.Table(
    "alert_states",
    metadata,
    # How far an alert has counted on a server, and which invocation it is in; no row: it counts 0.
    sa.Column("server", _key(64), primary_key=True),
    sa.Column("alert", _key(128), primary_key=True),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

alert_actions = sa.Table(
    "alert_actions",
    metadata,
    # Actions that an alert owes: written with its change, gone when their results are stored.
    sa.Column("id", _key(128), primary_key=True),  # invocation and condition
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

satellite_credentials = sa.Table(
    "satellite_credentials",
    metadata,
    # Which generation of its key a satellite has, and until when an older one is good. No key is stored.
    sa.Column("id", _key(64), primary_key=True),  # of the server
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

import_undo = sa.Table(
    "import_undo",
    metadata,
    # Lines that take an import back while it is under way; none: every import was completed.
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    # What web hooks have sent, and what came of it; without secrets.
    sa.Column("id", _key(64), primary_key=True),  # sorts by time
    sa.Column("date", sa.BigInteger, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.Index("ix_deliveries_date", "date", "id"),
)

secret_versions = sa.Table(
    "secret_versions",
    metadata,
    # Earlier values of secrets, each sealed as the present ones are.
    sa.Column("id", _key(128), primary_key=True),
    sa.Column(
        "revision", sa.BigInteger, primary_key=True, autoincrement=False
    ),  # when it was replaced, in ms
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

secret_uses = sa.Table(
    "secret_uses",
    metadata,
    # Who was handed which secret, how often and when last.
    sa.Column("id", _key(128), primary_key=True),
    sa.Column("consumer", _key(160), primary_key=True),  # kind/ID
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

overrides = sa.Table(
    "overrides",
    metadata,
    # Settings that administrators have changed, by path: all conductors of a cluster share them.
    sa.Column("path", _key(255), primary_key=True),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)
