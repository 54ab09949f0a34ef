"""The engine: problem in, plan out; no clock, no global random, no input or output."""
