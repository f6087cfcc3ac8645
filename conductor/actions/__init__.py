"""What follows a job or an alert: e-mail, web hook, ticket, run event… (contract actions.md).

Pure decisions (`selection`, `conditions`, `chain`), what texts and hooks are told (`job_data`, `alert_data`),
one file for each type of action in `types`, and `runner`, which carries a condition's actions out and books
each as begun and done. Mail, HTTP, tickets, buckets and snapshots are other rooms', reached through `ports`.
"""
