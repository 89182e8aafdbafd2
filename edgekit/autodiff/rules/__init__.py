"""One file a family of operators; `edgekit.autodiff.registry` knows which."""
