"""Everything that Ropewalk can do, as plain Python without Prefect."""
