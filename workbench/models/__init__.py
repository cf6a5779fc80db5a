"""Networks, one folder per paper, and the small ones that several experiments share."""
