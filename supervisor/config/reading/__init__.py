"""The file as text: sources, YAML with line numbers, types of keys, problems that say where and what to do."""
