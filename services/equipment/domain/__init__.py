"""Rules and calculations of the equipment service: plain Python, no I/O."""
