"""One pod on every node that suits, renewed node by node."""
