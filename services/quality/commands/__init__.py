"""Use cases: one function per verb."""
