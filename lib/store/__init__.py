"""Write-once artifacts named by their content, and the records of the stage runs that made them."""

STORE_VARIABLE = "ROPEWALK_STORE"  # where a command or a worker finds its store
