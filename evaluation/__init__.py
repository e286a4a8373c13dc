"""How good are the Answers: examples, the runner, the comparison of results, and the figures."""
