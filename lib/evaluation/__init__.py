"""Policy x benchmark -> scores with intervals; pass@k; test-time scaling."""
