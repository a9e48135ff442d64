//! The zone as a client's transport: requests go to its door without a socket, so that a client and a zone can share one
//! process, and one paused clock.

use std::sync::Arc;

use async_trait::async_trait;
use cloudstack::{RawReply, SignedRequest, Transport, TransportError};

use crate::door::{Reply, Request};
use crate::zone::Zone;

/// Carries a [`cloudstack::Client`]'s requests to a zone in the same process.
#[derive(Clone, Debug)]
pub struct InProcess(Arc<Zone>);

impl InProcess {
    /// A transport to this zone.
    pub fn new(zone: Arc<Zone>) -> Self {
        Self(zone)
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        let request = match request.method {
            cloudstack::Method::Get => Request::get(request.form.as_str()),
            cloudstack::Method::Post => Request::post(request.form.as_str()),
        };
        let Reply { status, content_type, body, .. } = self.0.handle(request).await;
        Ok(RawReply { status, content_type: Some(content_type.to_owned()), body })
    }
}
