"""What answers: the network in torch, or an engine that was exported from it, behind one protocol."""
