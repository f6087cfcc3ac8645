"""Who may do what: users, sessions, API keys, roles' privileges, category and group limits."""
