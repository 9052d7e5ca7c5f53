"""Servers, workers and runs that live, die and are cancelled: what carries the flows out, and looks after them."""
