"""Running the house: internal jobs, statistics, maintenance, export and import, configuration, logs."""
