"""A market to talk to without internet: a seeded simulation behind the real services' paths, shapes and errors."""
