"""How the rows of a database are changed, so that lucky queries show; the door is `evaluation.variants`."""
