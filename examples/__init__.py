"""Sample workshops and the scripts that make them."""
