//! One node of the cluster: its files, how they reach it, and how it is doing.
