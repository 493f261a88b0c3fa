"""How we speak to Kafka, the registry, Postgres, Redis and the file store."""
