"""What both sides must agree on: the wire, identifiers, the clock. Imports nothing of ours."""
