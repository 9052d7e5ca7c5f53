"""Which stage follows which: the flows, what they can be asked for, their deployments. Wiring only."""
