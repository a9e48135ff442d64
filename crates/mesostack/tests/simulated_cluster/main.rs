//! Whole clusters on devcloud's simulator, on simulated time: made, grown, killed in mid-air, taken down.

mod failures;
mod life;
mod zone;
