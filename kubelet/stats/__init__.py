"""What the node, its pods and their containers use: read from the runtime, told in two shapes."""
