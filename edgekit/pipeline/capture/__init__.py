"""Pictures from a child process: the parent is `source`, the child is `child`."""
