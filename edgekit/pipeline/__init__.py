"""Sources, stages and sinks, and the runner that joins them."""
