"""Questions from databases: the query first, then its words."""
