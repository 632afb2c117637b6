"""The demo: a drive on which sensors die and come back, perceived, scored and told on one page."""
