"""Artifacts -> one HTML page with plots, funnel, lineage, cost; and one database of the run."""
