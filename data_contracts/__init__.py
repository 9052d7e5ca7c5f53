"""Arrow schemas and row rules of everything that crosses a task boundary."""
