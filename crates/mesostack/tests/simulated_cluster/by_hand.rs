//! What somebody does to a cluster by hand, behind our back.

use std::time::Duration;

use cloudstack::{
    Expect,
    resource::{AssignToLoadBalancerRule, DestroyVirtualMachine, ListLoadBalancerRules},
};
use tokio::time::Instant;

use crate::zone::Bench;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

impl Bench {
    /// Destroys a machine for good.
    pub(crate) async fn lose(&self, host_name: &str) {
        let destroy = DestroyVirtualMachine::new(&self.machine(host_name).await).expunge(true);
        self.client().run(&destroy, Expect::Long, soon()).await.expect("destroyed");
    }

    /// Puts a machine behind all load balancer rules.
    pub(crate) async fn balance(&self, host_name: &str) {
        let machine = self.machine(host_name).await;
        let client = self.client();
        for rule in client.list(&ListLoadBalancerRules::new()).await.expect("a list") {
            let assign = AssignToLoadBalancerRule::new(&rule.id, vec![machine.clone()]);
            client.run(&assign, Expect::Brief, soon()).await.expect("assigned");
        }
    }
}
