//! Errors as the API tells them: its codes, its texts, and which of them a normal user doesn't get to see.

use uuid::Uuid;

/// What users see instead of an internal error's text.
pub(crate) const MASKED: &str = "Internal error executing command, please contact your system administrator";

/// The text for every failure to find out who calls.
pub(crate) const UNVERIFIED: &str = "unable to verify user credentials and/or request signature";

/// An error with the API's two codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub(crate) struct ApiError {
    /// The error code, which is the HTTP status too.
    pub(crate) code: u16,
    /// The finer code, where there is one.
    pub(crate) cs_code: Option<u32>,
    pub(crate) text: String,
    /// Things the text is about.
    pub(crate) ids: Vec<(Uuid, &'static str)>,
    /// Whether a normal user's synchronous call sees only that something went wrong.
    masked: bool,
}

impl ApiError {
    fn new(code: u16, cs_code: Option<u32>, text: impl Into<String>) -> Self {
        Self { code, cs_code, text: text.into(), ids: Vec::new(), masked: false }
    }

    /// A job's failure as it was told to happen.
    pub(crate) fn told(code: u16, text: impl Into<String>) -> Self {
        Self::new(code, None, text)
    }

    /// 429: more calls than the account may make.
    pub(crate) fn throttled(retry_after_ms: u128) -> Self {
        let text = format!(
            "The given user has reached his/her account api limit, please retry after {retry_after_ms} ms."
        );
        Self::new(429, Some(9999), text)
    }

    /// 400: a form the server does not take.
    pub(crate) fn unverified(text: &str) -> Self {
        Self::new(401, None, text)
    }

    /// 430: a parameter's name can't be decoded.
    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Self::new(430, Some(9999), text)
    }

    /// 431 from the generic checks.
    pub(crate) fn parameter(text: impl Into<String>) -> Self {
        Self::new(431, Some(9999), text)
    }

    /// 431 from a command's own checks.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(431, Some(4350), text)
    }

    /// 432: the caller's role has no such command.
    pub(crate) fn unavailable(command: &str, account: &str) -> Self {
        let text =
            format!("The API [{command}] does not exist or is not available for the account {account}.");
        Self::new(432, Some(9999), text)
    }

    /// 530: something went wrong inside. Masked for users, except in jobs.
    pub(crate) fn internal(text: impl Into<String>) -> Self {
        Self { masked: true, ..Self::new(530, Some(4250), text) }
    }

    /// 530: a defect of this zone itself, not of the call.
    pub(crate) fn defect() -> Self {
        Self::internal(
            "The zone broke off this command by a defect of its own; its log tells where. Look at the resource, then ask again",
        )
    }

    /// 530 as it comes when a guest address can't be had.
    pub(crate) fn guest_address(text: impl Into<String>) -> Self {
        Self { masked: true, ..Self::new(530, Some(0), text) }
    }

    /// 531: exists, but is not the caller's.
    pub(crate) fn permission(text: impl Into<String>) -> Self {
        Self::new(531, Some(4365), text)
    }

    /// 432 of what this server is not set up for.
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(432, Some(9999), text)
    }

    /// Whether it is for want of a right to what was asked for.
    pub(crate) fn is_of_rights(&self) -> bool {
        self.code == 531
    }

    /// 531 of a failed login.
    pub(crate) fn login(user: &str) -> Self {
        let text =
            format!("Failed to authenticate user {user} in domain 1; please provide valid credentials");
        Self::new(531, None, text)
    }

    /// 533: no room. Masked for users, except in jobs.
    pub(crate) fn capacity(cs_code: u32, text: impl Into<String>) -> Self {
        Self { masked: true, ..Self::new(533, Some(cs_code), text) }
    }

    /// 535: an account's limit.
    pub(crate) fn limit(text: impl Into<String>) -> Self {
        Self::new(535, Some(4370), text)
    }

    /// 537: rules in each other's way.
    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::new(537, Some(4360), text)
    }

    /// 503: the zone is being shut down.
    pub(crate) fn closing() -> Self {
        Self::new(503, Some(9999), "the zone is being shut down")
    }

    /// The operation on something of another account.
    pub(crate) fn not_yours() -> Self {
        Self::permission("Caller does not have permission to operate with provided resource.")
    }

    /// The text every client greps for.
    pub(crate) fn unknown_entity(command: &str, parameter: &str, value: &str) -> Self {
        Self::parameter(format!(
            "Unable to execute API command {command} due to invalid value. Invalid parameter {parameter} value={value} due to \
             incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the field in \
             api cmd class."
        ))
    }

    pub(crate) fn about(mut self, id: Uuid, what: &'static str) -> Self {
        self.ids.push((id, what));
        self
    }

    pub(crate) fn with_cs_code(mut self, cs_code: u32) -> Self {
        self.cs_code = Some(cs_code);
        self
    }

    /// The text this caller sees in a synchronous answer.
    pub(crate) fn text_for(&self, root_admin: bool) -> &str {
        if self.masked && !root_admin { MASKED } else { &self.text }
    }
}
