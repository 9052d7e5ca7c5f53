"""Questions that somebody wrote or chose by hand, as an artifact like those that are synthesized."""
