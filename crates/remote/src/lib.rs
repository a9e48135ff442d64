//! SSH with host keys known before the first connection.
