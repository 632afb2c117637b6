"""The fault matrix: every fault of every sensor, played for real at a running node, and judged."""
