//! Templates: captured from volumes, and registered by drivers.

use uuid::Uuid;

use crate::driver::BaseTemplate;
use crate::error::ApiError;
use crate::faults::doomed;
use crate::model::{Format, Template, TemplateKind};
use crate::work::router::told_to_fail;
use crate::zone::Core;

impl Core {
    /// Freezes the volume that a template is being made of, and makes the template ready. The layer's name was written
    /// down before, so this can be done again when a crash came between the two.
    pub(crate) async fn finish_capture(&self, id: Uuid) -> Result<(), ApiError> {
        let capture =
            self.read(|model| model.templates.get(id).and_then(|template| template.capture.clone()));
        let (volume, layer) = capture.ok_or_else(|| ApiError::internal("The template is not being made"))?;
        let captured = match doomed() {
            true => Err(told_to_fail()),
            false => self.driver().capture_volume(volume, &layer).await,
        };
        let captured =
            captured.map_err(|error| ApiError::internal(format!("Failed to create template: {error}")))?;
        self.change(|model, _| {
            let gone = || ApiError::internal("Failed to create template: its volume is gone");
            let below = model.volumes.edit(volume).ok_or_else(gone)?;
            let mut layers = below.layers.clone();
            if !layers.contains(&captured.layer) {
                layers.push(captured.layer.clone());
            }
            below.layers.clone_from(&layers);
            let below_bytes =
                model.templates.get(below_template(model, volume)).map_or(0, |below| below.physical_bytes);
            let template = model.templates.edit(id).ok_or_else(gone)?;
            template.layers = layers;
            template.physical_bytes = below_bytes + captured.bytes;
            template.ready = true;
            template.capture = None;
            Ok(())
        })
        .await
    }

    /// Fetches a registered template, or writes down why that can't be done.
    pub(crate) async fn fetch_template(&self, id: Uuid) {
        let wanted = self.read(|model| {
            let template = model.templates.get(id).filter(|template| !template.ready)?;
            Some((template.url.clone()?, template.format == Format::Iso))
        });
        let Some((url, disc)) = wanted else { return };
        let layer = Template::own_layer(id);
        let fetched = self.driver().fetch_layer(&url, disc, &layer).await;
        let kept = self
            .change(|model, _| {
                let Some(template) = model.templates.edit(id) else { return Ok(false) };
                match &fetched {
                    Ok(fetched) => {
                        template.layers = vec![fetched.layer.clone()];
                        (template.bytes, template.physical_bytes) =
                            (fetched.bytes.max(5 << 20), fetched.bytes);
                        template.ready = true;
                    }
                    Err(error) => template.failure = Some(format!("Failed to download: {error}")),
                }
                Ok(true)
            })
            .await;
        match kept {
            Ok(true) => {}
            // It was deleted meanwhile.
            Ok(false) => self.remove_layers(vec![layer]).await,
            Err(error) => {
                tracing::warn!(template = %id, %error, "a fetched template could not be written down")
            }
        }
    }

    /// Templates whose fetching a crash cut off.
    pub(crate) fn unfetched(&self) -> Vec<Uuid> {
        self.read(|model| {
            let unfetched = model
                .templates
                .iter()
                .filter(|template| !template.ready && template.url.is_some() && template.failure.is_none());
            unfetched.map(|template| template.id).collect()
        })
    }

    /// Makes a driver's template known to everyone, or gives the one of its name new layers; machines keep theirs.
    pub(crate) async fn register_base_template(&self, base: BaseTemplate) -> Result<(), ApiError> {
        let os_type = self.settings().catalogue.os_type_named(&base.os_type).map(|os_type| os_type.id);
        let known = self.read(|model| {
            let mut templates = model.templates.iter();
            // It may have been given another name.
            templates.any(|old| old.account.is_none() && old.layers == base.layers)
        });
        if known {
            return Ok(());
        }
        self.change(|model, now| {
            let named = |old: &&Template| old.account.is_none() && old.name == base.name;
            let old = model.templates.iter().find(named).map(|old| old.id);
            if let Some(template) = old.and_then(|old| model.templates.edit(old)) {
                template.layers = base.layers;
                template.bytes = base.bytes;
                return Ok(());
            }
            let template = Template {
                number: model.next_number(),
                id: model.next_id(),
                account: None,
                display_text: base.name.clone(),
                name: base.name,
                kind: TemplateKind::Builtin,
                created: now,
                os_type: os_type.unwrap_or_default(),
                layers: base.layers,
                bytes: base.bytes,
                physical_bytes: 0,
                ready: true,
                public: true,
                featured: true,
                password_enabled: false,
                dynamically_scalable: false,
                details: std::collections::BTreeMap::new(),
                source: None,
                format: Format::Qcow2,
                url: None,
                checksum: None,
                extractable: false,
                bootable: true,
                requires_hvm: true,
                sort_key: 0,
                shared_with: Vec::new(),
                user_data: None,
                failure: None,
                capture: None,
            };
            model.templates.insert(template);
            Ok(())
        })
        .await
    }
}

fn below_template(model: &crate::model::Model, volume: Uuid) -> Uuid {
    model.volumes.get(volume).and_then(|volume| volume.template).unwrap_or_default()
}
