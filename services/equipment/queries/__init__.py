"""Reads: timelines, current states, key figures, alarms."""
