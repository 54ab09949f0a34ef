"""Rules of orders, jobs and reports: plain Python without input or output."""
