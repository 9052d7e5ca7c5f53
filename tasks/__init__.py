"""One file a stage: references in, one call into `lib`, one artifact out, a reference back."""
