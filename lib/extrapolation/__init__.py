"""A row of checkpoints -> the checkpoint ahead of them."""
