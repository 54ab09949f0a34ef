"""Pages of the order service, made on the server."""
