//! Whole clusters on devcloud's simulator, on simulated time: made, grown, killed in mid-air, taken down; by one operator or by several at once.

mod bastion;
mod by_hand;
mod census;
mod counts;
mod crashes;
mod failures;
mod lagging;
mod lateness;
mod life;
mod looking;
mod mending;
mod mess;
mod names;
mod nodes;
mod numbers;
mod operators;
mod otherwise;
mod quorum;
mod twice;
mod voters;
mod wire;
mod zone;
