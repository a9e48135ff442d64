//! A call on its way to the zone, with what happens to it.

use std::sync::Arc;

use super::{Answered, CallFault, Moment};
use crate::door::{Reply, Request};
use crate::zone::Zone;

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Delivery {
    Answered(Reply),
    Broken,
    Silent,
    Refused,
    Killed,
}

/// Delivers a call. What has arrived is carried out, whether or not its caller still waits.
pub(crate) async fn deliver(zone: &Arc<Zone>, request: Request, fault: Option<CallFault>) -> Delivery {
    let Some(fault) = fault else { return Delivery::answered(handle(zone, request).await) };
    match fault {
        CallFault::Status(status, moment) => {
            have_effect(zone, request, moment).await;
            Delivery::Answered(Reply::page(status, "Something between you and the zone is broken"))
        }
        CallFault::Reset(moment) => {
            have_effect(zone, request, moment).await;
            Delivery::Broken
        }
        CallFault::Silence(moment) => {
            have_effect(zone, request, moment).await;
            Delivery::Silent
        }
        CallFault::Kill(moment) => {
            have_effect(zone, request, moment).await;
            Delivery::Killed
        }
        CallFault::Refused => Delivery::Refused,
        CallFault::Twice { apart, answered: Answered::First } => {
            let reply = handle(zone, request.clone()).await;
            have_effect(zone, request, Moment::Late(apart)).await;
            Delivery::answered(reply)
        }
        CallFault::Twice { apart, answered: Answered::Second } => {
            handle(zone, request.clone()).await;
            tokio::time::sleep(apart).await;
            Delivery::answered(handle(zone, request).await)
        }
        CallFault::Lag(lag) => Delivery::Answered(zone.handle_as_of(request, lag).await),
    }
}

async fn handle(zone: &Arc<Zone>, request: Request) -> Option<Reply> {
    let zone = Arc::clone(zone);
    tokio::spawn(async move { zone.handle(request).await }).await.ok()
}

async fn have_effect(zone: &Arc<Zone>, request: Request, moment: Moment) {
    match moment {
        Moment::Before => {}
        Moment::After => drop(handle(zone, request).await),
        Moment::Late(by) => {
            let zone = Arc::clone(zone);
            drop(tokio::spawn(async move {
                tokio::time::sleep(by).await;
                zone.handle(request).await
            }));
        }
    }
}

impl Delivery {
    /// Without a reply, the zone broke off by a defect of its own.
    fn answered(reply: Option<Reply>) -> Self {
        reply.map_or(Self::Broken, Self::Answered)
    }
}
