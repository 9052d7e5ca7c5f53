"""Write-once artifacts named by their content, and the records of the stage runs that made them."""
