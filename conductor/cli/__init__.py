"""The `opsorbit` command."""
