//! Parameters: what a command takes.

use super::Entity;

/// A parameter of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// The longest text taken, in characters.
    pub(crate) length: usize,
    pub(crate) description: &'static str,
    /// Whether a write to it needs it to be the caller's; commands with rules of their own say no.
    pub(super) owned: bool,
}

/// What a parameter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Boolean,
    Integer,
    Long,
    Id(Entity),
    Texts,
    Ids(Entity),
    /// A project's id, or `-1` for all of them.
    Project,
    Map,
    Time,
}

impl Parameter {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false, length: 255, description: "", owned: true }
    }

    pub(crate) const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    pub(crate) const fn boolean(name: &'static str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    pub(crate) const fn integer(name: &'static str) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// An integer that `listApis` calls a long.
    pub(crate) const fn long(name: &'static str) -> Self {
        Self::new(name, Kind::Long)
    }

    /// The project that something is made for.
    pub(crate) const fn project() -> Self {
        Self::new("projectid", Kind::Project)
    }

    pub(crate) const fn id(name: &'static str, entity: Entity) -> Self {
        Self::new(name, Kind::Id(entity))
    }

    pub(crate) const fn ids(name: &'static str, entity: Entity) -> Self {
        Self::new(name, Kind::Ids(entity))
    }

    pub(crate) const fn texts(name: &'static str) -> Self {
        Self::new(name, Kind::Texts)
    }

    pub(crate) const fn map(name: &'static str) -> Self {
        Self::new(name, Kind::Map)
    }

    pub(crate) const fn time(name: &'static str) -> Self {
        Self::new(name, Kind::Time)
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    pub(crate) const fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The command decides itself whose it may be.
    pub(crate) const fn of_anyone(mut self) -> Self {
        self.owned = false;
        self
    }

    /// The type's name, as `listApis` has it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Text => "string",
            Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::Long => "long",
            Kind::Id(_) | Kind::Project => "uuid",
            Kind::Texts | Kind::Ids(_) => "list",
            Kind::Map => "map",
            Kind::Time => "date",
        }
    }

    /// The commands that list what its ids are of, as `listApis` has them.
    pub(crate) fn related(&self) -> &'static str {
        match self.kind {
            Kind::Id(entity) | Kind::Ids(entity) => entity.listed_by(),
            Kind::Project => "listProjects",
            _ => "",
        }
    }
}

/// Which parameters a list takes besides its own; the kinds are CloudStack's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// None: no list, or one without pages.
    Nothing,
    /// Pages of what is the same for everybody.
    Catalogue,
    /// Things of a domain.
    Domain,
    /// Things of an account.
    Accounts,
    /// Things of an account or a project.
    Owned,
    /// Things of an account or a project that can have tags.
    Tagged,
}

/// The parameters in the order in which kinds of lists add them.
const SHARED: [Parameter; 9] = [
    Parameter::text("keyword"),
    Parameter::integer("page"),
    Parameter::integer("pagesize"),
    Parameter::boolean("listall"),
    Parameter::boolean("isrecursive"),
    Parameter::id("domainid", Entity::Domain),
    Parameter::text("account"),
    Parameter::new("projectid", Kind::Project),
    Parameter::map("tags"),
];

impl Reach {
    pub(crate) fn parameters(self) -> &'static [Parameter] {
        &SHARED[..match self {
            Self::Nothing => 0,
            Self::Catalogue => 3,
            Self::Domain => 6,
            Self::Accounts => 7,
            Self::Owned => 8,
            Self::Tagged => 9,
        }]
    }
}
