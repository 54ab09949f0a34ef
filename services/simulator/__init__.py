"""The people and machines of a workshop, seen only through the public API."""
