"""What `edgekit deploy` runs on a board, over SSH: looks, takes files, passes on hints.

`python -m edgekit.daemon.deploy_control VERB` reads and writes lines of JSON, and ends. It works
beside the daemon and changes nothing of the daemon's own: it puts files into the folder that the
settings name as the repository, hints beside it, and reads what the daemon says of them.
"""
