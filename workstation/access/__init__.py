"""Who may see what: roles, sessions, logins and machine tokens of the served pages and of the API."""
