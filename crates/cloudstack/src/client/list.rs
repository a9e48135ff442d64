//! Lists, to their end: the first page tells how many things there are, the others are asked for side by side.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use futures::future::{join, try_join_all};
use serde_json::Value;

use super::call::Terms;
use super::{Client, Core, Rank};
use crate::command::{Effect, ListCommand};
use crate::envelope::{self, Page};
use crate::error::Error;
use crate::parameters::Parameters;

impl Client {
    /// Whether anything matches. One call, for one row, however much there is.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn has_any<C: ListCommand>(&self, command: &C) -> Result<bool, Error> {
        let page = self.core.page(C::NAME, &command.parameters(), Way::Call(self.rank), 1, 1).await?;
        Ok(!page.rows.is_empty())
    }

    /// Lists everything that matches, however many pages it takes.
    ///
    /// Things that come or go between two pages may shift others: what is seen twice is given once, and where something may
    /// have been missed the list is read again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list<C: ListCommand>(&self, command: &C) -> Result<Vec<C::Item>, Error> {
        self.list_expecting(command, 0).await
    }

    /// The same where about so many things are expected: their pages are asked for side by side with the first, so that all
    /// of it takes one round trip. More are found all the same; where there are fewer, pages were asked for in vain.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_expecting<C: ListCommand>(
        &self,
        command: &C,
        things: usize,
    ) -> Result<Vec<C::Item>, Error> {
        let (name, rows) =
            self.core.list(C::NAME, &command.parameters(), Way::Call(self.rank), things).await?;
        envelope::decode(C::NAME, Effect::Read, &name, Value::Array(rows))
    }

    /// The same as a look at what jobs have made: once, without being held up by calls that take their time, and counted
    /// among the looks ([`CallCounts::polls`](crate::CallCounts::polls)).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn look<C: ListCommand>(&self, command: &C) -> Result<Vec<C::Item>, Error> {
        let (name, rows) = self.core.list(C::NAME, &command.parameters(), Way::Look, 0).await?;
        envelope::decode(C::NAME, Effect::Read, &name, Value::Array(rows))
    }
}

/// How often a list whose pages do not fit together is read. Afterwards what was seen is given.
const READINGS: usize = 3;

/// How a page is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// As any call: again when that may help.
    Call(Rank),
    /// As a look at jobs: once.
    Look,
}

impl Core {
    pub(crate) async fn list(
        &self,
        command: &str,
        parameters: &Parameters,
        way: Way,
        things: usize,
    ) -> Result<(String, Vec<Value>), Error> {
        let mut reading = self.read_pages(command, parameters, way, things).await?;
        for _ in 1..READINGS {
            if reading.is_whole() {
                break;
            }
            reading = self.read_pages(command, parameters, way, things).await?;
        }
        Ok((reading.name, reading.rows))
    }

    /// Reads all pages once.
    async fn read_pages(
        &self,
        command: &str,
        parameters: &Parameters,
        way: Way,
        things: usize,
    ) -> Result<Reading, Error> {
        let hoped_for = u64::from(self.page_size.load(Ordering::Relaxed));
        let early = (2..=(things as u64).div_ceil(hoped_for.max(1)))
            .map(|number| self.page(command, parameters, way, number, hoped_for));
        let (first, early) = join(self.first_page(command, parameters, way), try_join_all(early)).await;
        let (size, first) = first?;
        // Pages of a size that the server does not take, or that failed, are asked for again in their turn.
        let early = early.ok().filter(|_| size == hoped_for).unwrap_or_default();
        let name = first.name;
        let mut count = first.count;
        let asked = 1 + early.len() as u64;
        let expected = pages_for(count, first.rows.len(), size).max(asked);
        let further = (asked + 1..=expected).map(|number| self.page(command, parameters, way, number, size));
        let mut last_is_full = first.rows.len() as u64 >= size;
        let mut rows = first.rows;
        for page in early.into_iter().chain(try_join_all(further).await?) {
            last_is_full = page.rows.len() as u64 >= size;
            count = count.max(page.count);
            rows.extend(page.rows);
        }
        // More may have come in the meantime, or the server gave no count.
        let mut number = expected;
        while last_is_full && count.is_none_or(|count| (rows.len() as u64) < count) {
            number += 1;
            let page = self.page(command, parameters, way, number, size).await?;
            last_is_full = page.rows.len() as u64 >= size && !rows.ends_with(&page.rows);
            count = count.max(page.count);
            rows.extend(page.rows);
        }
        if number > 1 {
            drop_repeated(&mut rows);
        }
        Ok(Reading { name, rows, count, pages: number })
    }

    /// The first page; in a smaller size if the server's largest is smaller.
    async fn first_page(
        &self,
        command: &str,
        parameters: &Parameters,
        way: Way,
    ) -> Result<(u64, Page), Error> {
        let size = self.page_size.load(Ordering::Relaxed);
        match self.page(command, parameters, way, 1, size.into()).await {
            Err(error) => match largest_page(&error) {
                Some(smaller) if smaller < size => {
                    self.page_size.store(smaller, Ordering::Relaxed);
                    Ok((smaller.into(), self.page(command, parameters, way, 1, smaller.into()).await?))
                }
                _ => Err(error),
            },
            Ok(page) => Ok((size.into(), page)),
        }
    }

    async fn page(
        &self,
        command: &str,
        parameters: &Parameters,
        way: Way,
        number: u64,
        size: u64,
    ) -> Result<Page, Error> {
        let parameters = parameters.clone().with("page", number).with("pagesize", size);
        let inner = match way {
            Way::Call(rank) => self.send(command, Effect::Read, &parameters, Terms::reading(rank)).await?,
            Way::Look => self.look(command, &parameters).await?,
        };
        envelope::page(command, inner)
    }
}

/// All pages of a list, read once.
struct Reading {
    name: String,
    rows: Vec<Value>,
    /// The largest number of things that any page told of.
    count: Option<u64>,
    pages: u64,
}

impl Reading {
    /// Whether nothing can be missing. What goes while pages are read pulls others from a page that is still to be read
    /// onto one that has been: then there are fewer rows than the first page promised. One page is of one moment.
    fn is_whole(&self) -> bool {
        self.pages == 1 || self.count.is_none_or(|count| self.rows.len() as u64 >= count)
    }
}

/// How many pages `count` things take; the first has been seen.
fn pages_for(count: Option<u64>, first_page_rows: usize, size: u64) -> u64 {
    match count {
        // A page that is not full is the last one, whatever the count says.
        Some(count) if first_page_rows as u64 >= size => count.div_ceil(size).max(1),
        _ => 1,
    }
}

/// The largest page a server takes, from its refusal of a larger one.
fn largest_page(error: &Error) -> Option<u32> {
    let (_, number) =
        error.text().filter(|_| error.code() == Some(431))?.split_once("max allowed page size value:")?;
    number.trim().trim_end_matches('.').parse().ok().filter(|size| *size > 0)
}

/// Leaves the first of rows that are about the same thing. A template has one row a zone.
fn drop_repeated(rows: &mut Vec<Value>) {
    let mut seen = HashSet::new();
    rows.retain(|row| match (row.get("id"), row.get("zoneid")) {
        (Some(Value::String(id)), zone) => {
            seen.insert((id.clone(), zone.and_then(Value::as_str).map(str::to_owned)))
        }
        _ => true,
    });
}
