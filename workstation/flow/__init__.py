"""Option prints."""
