//! Pages: which part of what was found is answered, and when page numbers make no sense.

use serde_json::Value;

use super::Arguments;
use crate::error::ApiError;

/// The default and the largest page (`default.page.size`).
pub(super) const PAGE_SIZE: i64 = 500;

/// What a list command found: the number of all matches, and the page of them that was asked for.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) object: &'static str,
    pub(crate) count: usize,
    pub(crate) items: Vec<Value>,
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    All,
    Part { skip: usize, take: usize },
}

impl Page {
    /// The page that `page` and `pagesize` ask for.
    ///
    /// # Errors
    /// One without the other, a page of more than 500, or a numbered page without end.
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, ApiError> {
        match (arguments.integer("page"), arguments.integer("pagesize")) {
            (None, None) => Ok(Self::Part { skip: 0, take: usize::try_from(PAGE_SIZE).unwrap_or(500) }),
            (None, Some(-1)) => Ok(Self::All),
            (Some(_), None) => {
                Err(ApiError::parameter("\"pagesize\" parameter is required when \"page\" is specified"))
            }
            (None, Some(_)) => {
                Err(ApiError::parameter("\"page\" parameter is required when \"pagesize\" is specified"))
            }
            (Some(_), Some(-1)) => {
                Err(ApiError::invalid("Can't specify page parameter when pagesize is -1 (Unlimited)"))
            }
            (Some(_), Some(size)) if size > PAGE_SIZE => Err(ApiError::invalid(format!(
                "Page size can't exceed max allowed page size value: {PAGE_SIZE}"
            ))),
            (Some(page), Some(size)) => {
                let take = usize::try_from(size.max(0)).unwrap_or(0);
                let before = usize::try_from(page.saturating_sub(1).max(0)).unwrap_or(0);
                Ok(Self::Part { skip: before.saturating_mul(take), take })
            }
        }
    }
}

impl Listing {
    /// A page of what was found; only what is on it is rendered.
    pub(crate) fn of<T>(
        object: &'static str,
        arguments: &Arguments,
        found: impl IntoIterator<Item = T>,
        render: impl Fn(T) -> Value,
    ) -> Result<Self, ApiError> {
        let found: Vec<T> = found.into_iter().collect();
        let count = found.len();
        let page = Page::of(arguments)?;
        let count_alone = arguments.boolean("retrieveonlyresourcecount") == Some(true);
        let items = match page {
            _ if count_alone => Vec::new(),
            Page::All => found.into_iter().map(render).collect(),
            Page::Part { skip, take } => found.into_iter().skip(skip).take(take).map(render).collect(),
        };
        Ok(Self { object, count, items })
    }

    /// The answer: nothing at all when nothing was found, the count alone past the end.
    pub(crate) fn into_answer(self) -> Value {
        let mut answer = serde_json::Map::new();
        if self.count > 0 {
            answer.insert("count".to_owned(), self.count.into());
        }
        if !self.items.is_empty() {
            answer.insert(self.object.to_owned(), Value::Array(self.items));
        }
        Value::Object(answer)
    }
}
