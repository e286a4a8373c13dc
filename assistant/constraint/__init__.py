"""Decoding that cannot invent names: what the next token of a draft may be, given the linked schema."""
