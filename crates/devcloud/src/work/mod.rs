//! What jobs have the driver do, and in which order records and reality change: first it is written down what is being
//! done, then it is done, then that it is done. So that at every instant the records tell a later process enough.

mod account;
mod caretaker;
mod data_disk;
mod furnish;
mod machine;
mod recovery;
pub(crate) mod router;
mod snapshot;
mod storage;
mod template;

pub(crate) use self::caretaker::Caretaker;
pub(crate) use self::recovery::RecoveryError;
pub(crate) use self::router::Routers;
