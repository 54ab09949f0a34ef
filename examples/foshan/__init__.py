"""The sample workshop 佛山五金 as plain data: names and fields are those of the event contracts' definitions."""
