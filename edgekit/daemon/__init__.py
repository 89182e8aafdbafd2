"""edgekitd: start-up, run and shutdown."""
