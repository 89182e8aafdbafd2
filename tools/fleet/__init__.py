"""A fleet of simulated boards: the real update code, on a real broker and a real web server."""
