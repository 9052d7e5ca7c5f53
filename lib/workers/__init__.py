"""A job spec -> a supervised group of processes -> its result."""
