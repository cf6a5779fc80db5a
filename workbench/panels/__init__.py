"""One module per paper: ipywidgets that put sliders on figures and experiments."""
