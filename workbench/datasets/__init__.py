"""Folders and files a person points at -> typed samples, tensors, DataFrames; and the small data that ships with the workbench."""
