"""The `mes` command."""
