"""Faults of the cluster's shape: replicas behind a balancer, PostgreSQL, and Kafka or the log in PostgreSQL."""
