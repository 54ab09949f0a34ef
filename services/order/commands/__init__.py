"""Use cases of the order service: one async function per verb."""
