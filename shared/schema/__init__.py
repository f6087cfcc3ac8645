"""Vocabulary of the documents both sides handle: job states, result codes, reserved words."""
