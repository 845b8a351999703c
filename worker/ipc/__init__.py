"""What supervisor and worker say to each other over their two pipes, as values and as bytes."""
