"""The satellite as a service of its host: one instance, started, stopped, installed and removed."""
