"""The expression language of target expressions, parameter macros, monitors and alerts."""
