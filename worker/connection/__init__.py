"""One connection: dial, register, beat, judge, call, close. Knows nothing of stores and handlers."""
