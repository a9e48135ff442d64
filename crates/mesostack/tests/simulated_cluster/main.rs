//! Whole clusters on devcloud's simulator, on simulated time: made, grown, killed in mid-air, taken down.

mod bastion;
mod census;
mod crashes;
mod failures;
mod life;
mod wire;
mod zone;
