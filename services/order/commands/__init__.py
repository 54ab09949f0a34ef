"""Use cases: one async function per verb; rows and events in the caller's transaction."""
