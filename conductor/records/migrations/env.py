"""Runs the steps on the connection it is given, inside the caller's transaction."""

from alembic import context

from conductor.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the schema lock's transaction is already open
)
context.run_migrations()
