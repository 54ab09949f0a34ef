"""What planning means here: working time, how facts become a problem, how two plans differ."""
