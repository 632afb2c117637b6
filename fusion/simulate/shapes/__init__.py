"""Parametric shapes of the ten detection classes and of clutter, as triangle meshes."""
