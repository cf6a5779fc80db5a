"""One module per paper: ipywidgets that put sliders on figures and experiments; ``base`` holds what all of them share."""
