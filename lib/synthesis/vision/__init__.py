"""Images -> questions over several of them."""
