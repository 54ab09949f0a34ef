"""Rules of inspection and of control charts: plain Python, no I/O, no framework."""
