"""Which stage follows which, and the command line. Wiring only."""
