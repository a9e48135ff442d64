//! The real ZooKeeper, as the daemons use it: where it is, a session with it, and elections among its ephemeral
//! nodes.

mod group;
mod session;
mod url;

pub(crate) use self::group::{Group, Member, leader};
pub(crate) use self::session::{Session, SessionLost};
pub(crate) use self::url::Ensemble;
