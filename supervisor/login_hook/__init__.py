"""The owner's own login program: when it may run, how it is run and ended, what it means. Knows no worker."""
