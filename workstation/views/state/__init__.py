"""What a session has chosen, and the data it is handed."""
