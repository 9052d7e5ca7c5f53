"""What a user types and reads: the commands, their options, and what they print."""
