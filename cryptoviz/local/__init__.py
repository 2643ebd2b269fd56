"""The embedded stack: real parts started and watched on one machine, for people who have only Python."""
