"""From an episode to its reward, in named parts."""
