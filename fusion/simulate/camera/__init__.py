"""The cameras: a deferred renderer, from triangles to a developed photograph."""
