"""How things look to a person: tables, sentences, advice, the console. Values in, text out."""
