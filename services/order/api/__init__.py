"""Routes of the order service."""
