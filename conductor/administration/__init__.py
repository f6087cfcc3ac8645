"""Looking after the house: background work, statistics, maintenance, settings, export and import, the cluster.

Called by the API and by the composition root. It changes records through their stores, never behind them,
and knows neither sockets nor HTTP; what it needs of other rooms it declares in `ports`.
"""
