"""Drives as data: labels, tables, files, many scenes at once."""
