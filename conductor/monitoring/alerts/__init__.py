"""Alerts: from samples to invocations, their actions and what they mean for jobs (contract alerts.md).

`evaluation` decides, purely; `alerting` feeds it and acts; `store` keeps states, invocations and owed actions;
`active` is what the rest of the house asks.
"""
