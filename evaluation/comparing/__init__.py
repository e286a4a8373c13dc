"""When values, columns and rows of two results are the same; the door is `evaluation.compare`."""
