"""Settings: one frozen model a stage; profiles as TOML that hold only differences."""
