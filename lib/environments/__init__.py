"""What an agent acts in: a question becomes messages, tool calls become results."""
