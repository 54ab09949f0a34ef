"""What changes in this service: one function per verb."""
