"""What follows a job or an alert: e-mail, web hook, ticket, run event. Nothing stands here yet."""
