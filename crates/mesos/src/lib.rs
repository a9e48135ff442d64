//! ZooKeeper, Mesos and Marathon as an operator sees them.
