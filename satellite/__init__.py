"""The satellite: a light daemon on every host that runs plugins, keeps their output and reports."""

VERSION = "0.1.0"
