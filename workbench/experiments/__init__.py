"""One module per paper: the experiment that re-measures the abstract's claims, as a tidy DataFrame."""
