"""What is read from the order service's tables."""
