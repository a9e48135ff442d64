//! The cluster in the cloud: what is wanted, what is there, the plan between them, and its execution.
