//! The disks of a machine that is being deployed: how large its root disk is, and its data disks.

use uuid::Uuid;

use crate::command::{Call, volume};
use crate::error::ApiError;
use crate::model::{Format, Resource, Template, Volume};

/// Bytes of the root disk: what the service offering says, which counts more than what is asked for, as on the real
/// server; else `rootdisksize`; else as much as the template has, which is the least in any case. Of a machine that boots
/// from an ISO it is what the disk offering says.
///
/// # Errors
/// A size that is none, or is less than the template's; an ISO without a disk offering.
pub(super) fn root(call: &Call<'_>, offering: Uuid, template: &Template) -> Result<u64, ApiError> {
    if template.format == Format::Iso {
        let offering = call.arguments.id("diskofferingid").ok_or_else(|| {
            ApiError::invalid(
                "Installing from ISO requires a disk offering to be specified for the root disk.",
            )
        })?;
        return Ok(volume::size_for(call, offering, call.arguments.integer("size"))? << 30);
    }
    let template = template.bytes;
    let offered = call.model.service_offerings.get(offering).map_or(0, |offering| offering.root_gigabytes);
    let asked = match call.arguments.integer("rootdisksize") {
        None => None,
        // Whatever does not fit into the number of bytes is no size.
        Some(gigabytes) => {
            let bytes = u64::try_from(gigabytes).ok().and_then(|gigabytes| gigabytes.checked_mul(1 << 30));
            let bytes = bytes.filter(|bytes| *bytes > 0);
            Some((
                gigabytes,
                bytes.ok_or_else(|| ApiError::invalid("Root disk size should be a positive number."))?,
            ))
        }
    };
    match asked {
        _ if offered > 0 => Ok(offered.saturating_mul(1 << 30).max(template)),
        None => Ok(template),
        Some((gigabytes, bytes)) if bytes < template => Err(ApiError::invalid(format!(
            "Unsupported: rootdisksize override ({gigabytes} GB) is smaller than template size {template} bytes"
        ))),
        Some((_, bytes)) => Ok(bytes),
    }
}

/// The data disks that are asked for, with their places in the machine, not attached yet: the one of `diskofferingid`, or
/// those of `datadisksdetails`. Their account may have them besides the root disk. The disk offering of a machine that
/// boots from an ISO is its root disk's.
///
/// # Errors
/// Both ways at once, an offering there is none of, a size it does not allow, or a place that is no data disk's.
pub(super) fn data(
    call: &mut Call<'_>,
    account: Uuid,
    machine: u64,
    root_bytes: u64,
    from_iso: bool,
) -> Result<Vec<Volume>, ApiError> {
    let arguments = call.arguments;
    let details = arguments.map("datadisksdetails");
    let mut wanted = Vec::new();
    if let Some(offering) = arguments.id("diskofferingid").filter(|_| !from_iso) {
        if !details.is_empty() {
            return Err(ApiError::invalid("diskofferingid can't be specified along with datadisksdetails"));
        }
        wanted.push((offering, volume::size_for(call, offering, arguments.integer("size"))?, None));
    }
    for entry in details {
        let text = |name: &str| entry.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let number = |name: &str| {
            let parsed = text(name).map(|text| text.trim().parse::<i64>());
            let wrong = |_| ApiError::invalid(format!("Invalid {name} of a data disk in datadisksdetails"));
            parsed.transpose().map_err(wrong)
        };
        let offering = text("diskofferingid").ok_or_else(|| {
            ApiError::invalid("Disk offering id is required for each data disk in datadisksdetails")
        })?;
        let known = offering.parse().ok().filter(|id| call.model.disk_offerings.get(*id).is_some());
        let known =
            known.ok_or_else(|| ApiError::invalid(format!("Unable to find disk offering {offering}")))?;
        wanted.push((known, volume::size_for(call, known, number("size")?)?, number("deviceid")?));
    }
    let gigabytes: u64 = wanted.iter().map(|(_, gigabytes, _)| gigabytes).sum();
    let count = i64::try_from(wanted.len()).unwrap_or(i64::MAX).saturating_add(1);
    call.within_limit(account, Resource::Volumes, count)?;
    let room = root_bytes.div_ceil(1 << 30).saturating_add(gigabytes);
    call.within_limit(account, Resource::PrimaryStorage, i64::try_from(room).unwrap_or(i64::MAX))?;
    let single = details.is_empty();
    let mut disks: Vec<Volume> = Vec::new();
    for (index, (offering, gigabytes, place)) in wanted.into_iter().enumerate() {
        let name = if single { format!("DATA-{machine}") } else { format!("DATA-{machine}-{index}") };
        let mut disk = volume::new_data_disk(call, account, Some(name), Some(offering), gigabytes << 30)?;
        let taken: Vec<u32> = disks.iter().map(|disk| disk.device).collect();
        disk.device = volume::place(&taken, place)?;
        disks.push(disk);
    }
    Ok(disks)
}
