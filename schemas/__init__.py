"""What happened, in which words: events, topics and their Avro."""
