"""What every room needs and none owns: errors, texts in two languages, times, pacing, files, paths, the event log."""
