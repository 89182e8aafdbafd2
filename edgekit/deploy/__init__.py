"""The workstation's half of putting bundles on boards: keys, repositories, provisioning."""
