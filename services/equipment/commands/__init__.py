"""Use cases that change something: signals taken in, what people say, what other services tell."""
