"""One module per paper: pure functions from DataFrames or arrays to plotly figures."""
