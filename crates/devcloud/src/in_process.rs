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
        Ok(self.0.handle(request.into()).await.into())
    }
}

impl From<SignedRequest> for Request {
    fn from(request: SignedRequest) -> Self {
        match request.method {
            cloudstack::Method::Get => Self::get(request.form.as_str()),
            cloudstack::Method::Post => Self::post(request.form.as_str()),
        }
    }
}

impl From<Reply> for RawReply {
    fn from(reply: Reply) -> Self {
        Self { status: reply.status, content_type: Some(reply.content_type.to_owned()), body: reply.body }
    }
}
