//! The `networkdomain` that several commands take: checked in one place, because it ends up in the configuration of a
//! program that runs as root on the host.

use super::Arguments;
use crate::driver::NetworkDomain;
use crate::error::ApiError;

const REFUSAL: &str = "Invalid network domain. Total length shouldn't exceed 190 chars. Each domain label must be between 1 \
                       and 63 characters long, can contain ASCII letters 'a' through 'z', the digits '0' through '9', and \
                       the hyphen ('-'); can't start or end with \"-\"";

impl Arguments {
    /// The network domain that is asked for.
    pub(super) fn network_domain(&self) -> Result<Option<NetworkDomain>, ApiError> {
        let wanted = self.text("networkdomain").map(str::parse);
        wanted.transpose().map_err(|_| ApiError::invalid(REFUSAL))
    }

    /// What becomes of an account's or a domain's own: an empty one takes it away.
    pub(super) fn changed_network_domain(
        &self,
        before: Option<&NetworkDomain>,
    ) -> Result<Option<NetworkDomain>, ApiError> {
        match self.text("networkdomain") {
            None => Ok(before.cloned()),
            Some("") => Ok(None),
            Some(_) => self.network_domain(),
        }
    }
}
