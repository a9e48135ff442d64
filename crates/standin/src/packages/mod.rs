//! The Debian packages that put the stand-ins where the real programs are: `mesos` with the program itself, and
//! `marathon`. Written without any tool of the distribution, and the same bytes for the same program.

mod archive;
pub(crate) mod command;
mod contents;
