"""Policy x environment -> episodes, asynchronously."""
