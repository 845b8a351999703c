"""What a worker process needs to be one: entry, ties to its parent, the forkserver's shield, the program's digest."""
