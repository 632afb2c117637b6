"""Training: the only part of the stack that knows Lightning."""
