"""A model and its tokenizer, the rendering of conversations to tokens, and engines that sample."""
