//! The zone's door without its socket: a request goes in, a reply comes out. Signature, parameters, envelope, paging and
//! errors are here, and here only.

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// Anything else; answered with 405.
    Other,
}

/// A request to the API's one address.
#[derive(Clone, Debug)]
pub struct Request {
    /// How it came.
    pub method: Method,
    /// The URL's query, without `?`, still escaped.
    pub query: String,
    /// The body's content type, if it has one.
    pub content_type: Option<String>,
    /// The body: a form, or empty.
    pub body: Vec<u8>,
    /// The `Cookie` header, if there is one.
    pub cookie: Option<String>,
}

impl Request {
    /// A GET with this query.
    pub fn get(query: impl Into<String>) -> Self {
        Self { method: Method::Get, query: query.into(), content_type: None, body: Vec::new(), cookie: None }
    }

    /// A POST of this form.
    pub fn post(form: impl Into<String>) -> Self {
        Self {
            method: Method::Post,
            query: String::new(),
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
            body: form.into().into_bytes(),
            cookie: None,
        }
    }
}

/// What the API answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}
