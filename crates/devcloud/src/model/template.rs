//! Templates: what root disks are made from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;
use crate::driver::LayerId;

/// A template.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    /// Who made it; none for the zone's own.
    pub(crate) account: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) display_text: String,
    pub(crate) kind: TemplateKind,
    pub(crate) created: Timestamp,
    pub(crate) os_type: Uuid,
    /// Lowest first; empty until it is ready.
    pub(crate) layers: Vec<LayerId>,
    /// The size of a root disk made from it, in bytes.
    pub(crate) bytes: u64,
    /// Bytes its layers hold.
    pub(crate) physical_bytes: u64,
    pub(crate) ready: bool,
    pub(crate) public: bool,
    pub(crate) featured: bool,
    pub(crate) password_enabled: bool,
    pub(crate) dynamically_scalable: bool,
    pub(crate) details: BTreeMap<String, String>,
    /// The template of the machine it was made from.
    pub(crate) source: Option<Uuid>,
    #[serde(default)]
    pub(crate) format: Format,
    /// Where it was fetched from.
    #[serde(default)]
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) checksum: Option<String>,
    #[serde(default)]
    pub(crate) extractable: bool,
    /// Whether a machine can start from an ISO.
    #[serde(default)]
    pub(crate) bootable: bool,
    #[serde(default = "yes")]
    pub(crate) requires_hvm: bool,
    #[serde(default)]
    pub(crate) sort_key: i64,
    /// Accounts that may use it although it is not public.
    #[serde(default)]
    pub(crate) shared_with: Vec<Uuid>,
    /// User-data for machines made from it, and whether they may bring their own.
    #[serde(default)]
    pub(crate) user_data: Option<(Uuid, String)>,
    /// Why it could not be fetched.
    #[serde(default)]
    pub(crate) failure: Option<String>,
    /// The volume being captured and the name of the layer it becomes, while it is not ready.
    pub(crate) capture: Option<(Uuid, LayerId)>,
}

fn yes() -> bool {
    true
}

/// What a template's contents are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Format {
    #[default]
    Qcow2,
    Raw,
    Vhd,
    Vmdk,
    Ova,
    Tar,
    /// A disc that is attached to machines.
    Iso,
}

impl Template {
    /// What the root disk of a machine that is made from it rests on: nothing, where the machine boots from an ISO.
    pub(crate) fn disk_layers(&self) -> Vec<LayerId> {
        match self.format {
            Format::Iso => Vec::new(),
            _ => self.layers.clone(),
        }
    }
}

impl Format {
    pub(crate) const ALL: [Self; 7] =
        [Self::Qcow2, Self::Raw, Self::Vhd, Self::Vmdk, Self::Ova, Self::Tar, Self::Iso];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "QCOW2",
            Self::Raw => "RAW",
            Self::Vhd => "VHD",
            Self::Vmdk => "VMDK",
            Self::Ova => "OVA",
            Self::Tar => "TAR",
            Self::Iso => "ISO",
        }
    }
}

/// Where a template comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TemplateKind {
    /// It comes with the zone.
    Builtin,
    /// An account made it.
    User,
}

impl TemplateKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Builtin => "BUILTIN",
            Self::User => "USER",
        }
    }
}

impl Entity for Template {
    const KIND: &'static str = "template";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Template {
    /// The name of the layer that is made for it.
    pub(crate) fn own_layer(id: Uuid) -> LayerId {
        LayerId(format!("template-{id}"))
    }

    /// Whether it needs a layer, or will as soon as it is made.
    pub(crate) fn rests_on(&self, layer: &LayerId) -> bool {
        self.layers.contains(layer) || (!self.ready && *layer == Self::own_layer(self.id))
    }

    /// Whether an account may make machines of it.
    pub(crate) fn usable_by(&self, account: Uuid) -> bool {
        self.public || self.account == Some(account) || self.shared_with.contains(&account)
    }
}
