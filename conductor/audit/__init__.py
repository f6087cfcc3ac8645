"""What was done by whom: observers of signals that keep the activity log."""
