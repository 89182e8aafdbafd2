"""One board over the system's OpenSSH: deploy, status, roll back, logs, uninstall.

Parts: `complaints`, `wheels`, `probing` and `layout` decide and do no I/O; `connection` runs
commands; `control` speaks with the helper on the board; `pushing` sends a repository's files;
`bootstrap` and `removal` install and uninstall; `deployment` is the whole of `edgekit deploy`.
"""
