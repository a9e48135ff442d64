//! Stand-ins for mesos-master, mesos-agent and Marathon, for a rehearsal without the internet.
