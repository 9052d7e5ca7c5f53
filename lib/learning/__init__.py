"""Episodes -> weights: demonstrations, masks, batches, advantages, losses, and the two training loops."""
