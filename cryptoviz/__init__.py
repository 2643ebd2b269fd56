"""What producers, processors and tools share: settings, messages, errors, command line, embedded stack."""
