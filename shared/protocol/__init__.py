"""The satellite wire: frames in both encodings, message types, tokens, what an update may carry."""
