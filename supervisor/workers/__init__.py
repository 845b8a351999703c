"""Worker processes as the operating system has them: the forkserver, pipes, pidfds, starts, kills, hangs."""
